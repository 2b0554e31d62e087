/** Why an operation was refused; `http/errors.ts` alone knows which status each one is. */
export type ErrorCode =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'over_quota'
  | 'too_many'
  | 'unavailable'
  /** Refused because maintenance is on. */
  | 'maintenance'
  /** A leader's write was refused: by the database another epoch is the present one. */
  | 'not_leading'
  | 'internal'

/**
 * The one error class that crosses folders.
 * `message` is safe to show to a stranger; `cause` is for the log only.
 */
export class AnchorageError extends Error {
  readonly code: ErrorCode
  /** Seconds after which trying again makes sense, where that is known. */
  readonly retryAfterSeconds: number | undefined

  /** Which limit it was, in words that hold no number, where it was one: for the log. */
  readonly bound: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    more: { cause?: unknown; retryAfterSeconds?: number; bound?: string } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'AnchorageError'
    this.code = code
    this.retryAfterSeconds = more.retryAfterSeconds
    this.bound = more.bound
  }
}

/** True when `error` is ours and has one of `codes`. */
export function isCode(error: unknown, ...codes: ErrorCode[]): error is AnchorageError {
  return error instanceof AnchorageError && codes.includes(error.code)
}

/** An error and its causes in one line, the outermost first; a cause that its effect already names is left out. */
export function inOneLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = messageOf(error)
  if (error.cause === undefined) return own
  const cause = inOneLine(error.cause)
  // All that Node's fetch says of itself.
  if (own === 'fetch failed') return cause
  return own.includes(cause) ? own : `${own} (${cause})`
}

/** A host with several addresses, none of which can be reached, is an error without words around one for each. */
function messageOf(error: Error): string {
  if (error.message !== '') return error.message
  return error instanceof AggregateError ? error.errors.map(inOneLine).join(', ') : error.name
}
