/** A client of the Pinning Services API. It runs in a browser too, since it needs nothing but `fetch`. */
import { AnchorageError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { NameMatch, PinStatus as Status } from '../core/pin.ts'
import type { Failure, Pin, PinResults, PinStatus } from './spec/schema.ts'

export type { Pin, PinResults, PinStatus }

export interface PinFilters {
  cid?: string[]
  name?: string
  match?: NameMatch
  status?: Status[]
  before?: string
  after?: string
  meta?: Record<string, string>
}

/**
 * A refusal by the service; `message` is the `details` that it gave. `code` is one of our error codes, so that callers need no HTTP
 * statuses.
 */
export class PinServiceError extends AnchorageError {
  readonly status: number
  readonly reason: string

  constructor(
    status: number,
    { error }: Failure,
    more: { code: ErrorCode; retryAfterSeconds?: number; cause?: unknown },
  ) {
    super(more.code, error.details ?? error.reason, more)
    this.name = 'PinServiceError'
    this.status = status
    this.reason = error.reason
  }
}

/**
 * Every call rejects with `PinServiceError`, with code `unavailable` (status 0) if the service cannot be reached. An aborted call rejects
 * with the signal's reason.
 */
export interface PinClient {
  add(pin: Pin, signal?: AbortSignal): Promise<PinStatus>
  get(requestid: string, signal?: AbortSignal): Promise<PinStatus>
  /**
   * One page, newest first; 10 pins unless `limit` (at most 1000) says otherwise. If none of `status`, `cid`, `name` and `meta` is given,
   * only pins with the status `pinned` are listed.
   */
  list(filters?: PinFilters & { limit?: number }, signal?: AbortSignal): Promise<PinResults>
  /** All pins that match, newest first, in every status unless `status` is given. */
  all(filters?: PinFilters, signal?: AbortSignal): AsyncGenerator<PinStatus>
  replace(requestid: string, pin: Pin, signal?: AbortSignal): Promise<PinStatus>
  remove(requestid: string, signal?: AbortSignal): Promise<void>
}

const pageSize = 1000
const allStatuses: Status[] = ['queued', 'pinning', 'pinned', 'failed']

/** A client of the service at `url`: the base below which `/pins` is, such as `http://127.0.0.1:8080/v1`. */
export function pinClient(options: { url: string; token: string; fetch?: typeof fetch }): PinClient {
  const base = options.url.replace(/\/+$/, '')
  const send = options.fetch ?? fetch

  const ask = async (
    method: string,
    path: string,
    body: Pin | null,
    signal?: AbortSignal,
  ): Promise<string> => {
    const headers: Record<string, string> = { authorization: `Bearer ${options.token}` }
    if (body !== null) headers['content-type'] = 'application/json'
    const request = {
      method,
      headers,
      body: body === null ? null : JSON.stringify(body),
      signal: signal ?? null,
    }
    try {
      const response = await send(`${base}${path}`, request)
      const text = await response.text()
      if (!response.ok) throw refusal(response, text)
      return text
    } catch (cause) {
      if (cause instanceof PinServiceError) throw cause
      signal?.throwIfAborted()
      throw unreachable(`${base} cannot be reached: check that the service runs at this address`, cause)
    }
  }
  const askJson = async <T>(...call: Parameters<typeof ask>): Promise<T> => {
    const text = await ask(...call)
    try {
      return parsed<T>(text)
    } catch (cause) {
      throw unreachable(
        `the answer of ${base} cannot be read: check that this is the base URL of a pinning service`,
        cause,
      )
    }
  }
  const list: PinClient['list'] = (filters = {}, signal) =>
    askJson('GET', `/pins${search(filters)}`, null, signal)

  return {
    add: (pin, signal) => askJson('POST', '/pins', pin, signal),
    get: (requestid, signal) => askJson('GET', pathOf(requestid), null, signal),
    list,
    async *all(filters = {}, signal) {
      let next: PinFilters & { limit: number } = { status: allStatuses, ...filters, limit: pageSize }
      for (;;) {
        const { count, results } = await list(next, signal)
        yield* results
        const last = results.at(-1)
        // a page may end before it is full
        if (last === undefined || count <= results.length) return
        next = { ...next, before: last.created }
      }
    },
    replace: (requestid, pin, signal) => askJson('POST', pathOf(requestid), pin, signal),
    remove: async (requestid, signal) => void (await ask('DELETE', pathOf(requestid), null, signal)),
  }
}

function pathOf(requestid: string): string {
  return `/pins/${encodeURIComponent(requestid)}`
}

function search({ cid, status, meta, limit, ...texts }: PinFilters & { limit?: number }): string {
  const query = new URLSearchParams(texts)
  if (cid !== undefined) query.set('cid', cid.join(','))
  if (status !== undefined) query.set('status', status.join(','))
  if (meta !== undefined) query.set('meta', JSON.stringify(meta))
  if (limit !== undefined) query.set('limit', String(limit))
  return query.size === 0 ? '' : `?${query}`
}

function parsed<T>(text: string): T {
  return JSON.parse(text)
}

/** Other services, or a proxy in front of them, may answer without JSON. */
function refusal(response: Response, text: string): PinServiceError {
  const { status } = response
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN)
  const more = Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {}
  const failure = failureOf(text) ?? {
    error: { reason: `HTTP_${status}`, details: `the service answered ${status}` },
  }
  return new PinServiceError(status, failure, { code: codeOf(status, failure.error.reason), ...more })
}

function failureOf(text: string): Failure | null {
  try {
    const failure = parsed<Partial<Failure> | null>(text)
    const error = failure?.error
    return typeof error?.reason === 'string' ? { error } : null
  } catch {
    return null
  }
}

function codeOf(status: number, reason: string): ErrorCode {
  if (status === 401) return 'unauthenticated'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  if (status === 409) return reason === 'INSUFFICIENT_FUNDS' ? 'over_quota' : 'conflict'
  if (status === 429) return 'too_many'
  if (status >= 502 && status <= 504) return 'unavailable'
  return status >= 500 ? 'internal' : 'invalid'
}

function unreachable(details: string, cause: unknown): PinServiceError {
  return new PinServiceError(0, { error: { reason: 'UNREACHABLE', details } }, { code: 'unavailable', cause })
}
