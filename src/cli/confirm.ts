import { AnchorageError } from '../core/errors.ts'
import { WrongUse, type Io } from './verb.ts'

/**
 * Asks before something that cannot be undone; `what` says what will happen. Returns when the answer is yes, or at once with `--yes`.
 * Throws `WrongUse` when there is no terminal to ask on, and `conflict` when the answer is no.
 */
export async function confirm(what: string, io: Io): Promise<void> {
  if (io.yes) return
  if (io.ask === undefined) throw new WrongUse(`${what}. Nothing was changed: add --yes to do it`)
  io.err(`${what}.\n`)
  const answer = await io.ask('Continue? (y/N) ')
  if (!/^y(es)?$/i.test(answer.trim())) throw new AnchorageError('conflict', 'nothing was changed')
}
