import { AnchorageError } from '../core/errors.ts'
import { WrongUse, type Io } from './verb.ts'

/**
 * Asks before what cannot be taken back; `what` says what will happen. Returns when it is to be done: `--yes` says so beforehand. Throws
 * `WrongUse` where nobody can be asked, `conflict` when the answer is no.
 */
export async function confirm(what: string, io: Io): Promise<void> {
  if (io.yes) return
  if (io.ask === undefined) throw new WrongUse(`${what}. Nothing was changed: add --yes to do it`)
  io.err(`${what}.\n`)
  const answer = await io.ask('Go on? (y/N) ')
  if (!/^y(es)?$/i.test(answer.trim())) throw new AnchorageError('conflict', 'nothing was changed')
}
