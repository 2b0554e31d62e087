/** Why an operation was refused. Only `http/errors.ts` maps a code to an HTTP status. */
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
  /** A leader's write was refused: the database has another epoch by now. */
  | 'not_leading'
  | 'internal'

/**
 * The one error class that crosses folders.
 * `message` is safe to show to a stranger; `cause` is for the log only.
 */
export class AnchorageError extends Error {
  readonly code: ErrorCode
  /** After how many seconds trying again makes sense, if that is known. */
  readonly retryAfterSeconds: number | undefined

  /** The limit that was reached, in words without numbers, for the log. Undefined when no limit was the reason. */
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

/** True when `error` is an `AnchorageError` with one of `codes`. */
export function isCode(error: unknown, ...codes: ErrorCode[]): error is AnchorageError {
  return error instanceof AnchorageError && codes.includes(error.code)
}

/** An error and its causes in one line: `what failed (why: and why that)`. A cause that an earlier text already contains is left out. */
export function inOneLine(error: unknown): string {
  const texts: string[] = []
  const seen = new Set<unknown>([undefined])
  for (let at = error; !seen.has(at); at = at instanceof Error ? at.cause : undefined) {
    seen.add(at)
    const text = messageOf(at)
    // Node's fetch says only this; its cause has the reason.
    if (text === 'fetch failed' && at instanceof Error && at.cause !== undefined) continue
    if (!texts.some((earlier) => earlier.includes(text))) texts.push(text)
  }
  const [first = '', ...causes] = texts
  return causes.length === 0 ? first : `${first} (${causes.join(': ')})`
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  // No address of a host can be reached: Node throws one error per address inside an error without a message.
  return error instanceof AggregateError ? error.errors.map(inOneLine).join(', ') : error.name
}
