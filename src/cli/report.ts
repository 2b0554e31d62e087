import { redact } from '../app/redact.ts'
import { AnchorageError, inOneLine, isCode, type ErrorCode } from '../core/errors.ts'
import { json } from './print.ts'
import { WrongUse, type Io } from './verb.ts'

/**
 * Prints what went wrong, without secrets, and returns the exit code: 2 for a wrong command line or configuration, else 1. It prints
 * one line with its cause, and the stack only with `debug`. With `--json` it prints one line of JSON, in the form of the HTTP API's
 * errors.
 */
export async function report(
  error: unknown,
  verb: string | undefined,
  debug: boolean,
  io: Pick<Io, 'err' | 'signal' | 'json'> & { prefix: string },
): Promise<number> {
  const interrupted = io.signal.aborted && error === io.signal.reason
  const wrong = error instanceof WrongUse || isCode(error, 'invalid')
  const text = error instanceof Error ? (debug ? stackOf(error) : error.message) : String(error)
  const code = wrong ? 'invalid' : error instanceof AnchorageError ? error.code : 'internal'
  if (io.json) {
    io.err(await failureLine(code, debug || wrong ? text : inOneLine(error)))
    return wrong ? 2 : 1
  }
  io.err(`${io.prefix} ${redact(text)}\n`)
  if (wrong) io.err(`See: anchorage ${verb === undefined ? '' : `${verb} `}--help\n`)
  else if (!debug && !interrupted) io.err(causeOf(error))
  return wrong ? 2 : 1
}

/** Reports that one of several things could not be done: in words or, with `--json`, as a failure. */
export async function tellFailure(
  io: Pick<Io, 'err' | 'json'>,
  code: ErrorCode,
  text: string,
): Promise<void> {
  io.err(io.json ? await failureLine(code, text) : `${redact(text)}\n`)
}

/** Reports something that is not a failure, but should be changed. */
export function tellWarning(io: Pick<Io, 'err' | 'json'>, text: string): void {
  io.err(io.json ? json({ warning: { details: redact(text) } }) : `warning: ${redact(text)}\n`)
}

/** Imports the formatter only here, so that runs without a failure do not wait for it. */
async function failureLine(code: ErrorCode, text: string): Promise<string> {
  const { failure, reasonOf } = await import('../http/errors.ts')
  return json(failure(reasonOf(code), redact(text)))
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? inOneLine(error.cause) : ''
  const isNew = cause !== '' && error instanceof Error && !error.message.includes(cause)
  const because = isNew ? redact(`  because: ${cause}\n`) : ''
  if (error instanceof AnchorageError) return because
  return `${because}  (unexpected error: run it again with --debug to see the stack)\n`
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
