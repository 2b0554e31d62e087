import { redact } from '../app/redact.ts'
import { AnchorageError, inOneLine, isCode } from '../core/errors.ts'
import { WrongUse, type Io } from './verb.ts'

/**
 * Tells what went wrong, without secrets, and returns the exit code: 2 when what was typed or configured cannot be meant
 * like this, else 1. One line and its cause; the stack only with `debug`.
 */
export function report(error: unknown, verb: string | undefined, debug: boolean, io: Io): number {
  const interrupted = io.signal.aborted && error === io.signal.reason
  const wrong = error instanceof WrongUse || isCode(error, 'invalid')
  const text = error instanceof Error ? (debug ? stackOf(error) : error.message) : String(error)
  io.err(redact(`anchorage: ${text}\n`))
  if (wrong) io.err(`See: anchorage ${verb === undefined ? '' : `${verb} `}--help\n`)
  else if (!debug && !interrupted) io.err(causeOf(error))
  return wrong ? 2 : 1
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? inOneLine(error.cause) : ''
  const isNew = cause !== '' && error instanceof Error && !error.message.includes(cause)
  const because = isNew ? redact(`  because: ${cause}\n`) : ''
  if (error instanceof AnchorageError) return because
  return `${because}  (unexpected: run it again with --debug for the whole story)\n`
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
