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

/** An error and its causes in one line: `what failed (why: and why that)`. A cause that an earlier text names already is left out. */
export function inOneLine(error: unknown): string {
  const texts: string[] = []
  const seen = new Set<unknown>([undefined])
  for (let at = error; !seen.has(at); at = at instanceof Error ? at.cause : undefined) {
    seen.add(at)
    const text = messageOf(at)
    // All that Node's fetch says of itself.
    if (text === 'fetch failed' && at instanceof Error && at.cause !== undefined) continue
    if (!texts.some((earlier) => earlier.includes(text))) texts.push(text)
  }
  const [first = '', ...causes] = texts
  return causes.length === 0 ? first : `${first} (${causes.join(': ')})`
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  // A host with several addresses, none of which can be reached: an error for each, in one that says nothing.
  return error instanceof AggregateError ? error.errors.map(inOneLine).join(', ') : error.name
}
