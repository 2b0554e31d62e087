import { strict as assert } from 'node:assert'
import type { PinStatus } from '../../src/core/pin.ts'

/** The body of a pin on the wire, as in the published spec. */
export interface WirePin {
  cid: string
  name?: string
  origins?: string[]
  meta?: Record<string, string>
}

export interface WireStatus {
  requestid: string
  status: PinStatus
  created: string
  pin: WirePin
  delegates: string[]
  info?: Record<string, string>
}

export interface WirePage {
  count: number
  results: WireStatus[]
}

/** An answer with its whole body. */
export interface Answer {
  status: number
  headers: Headers
  text: string
}

export const allStatuses = 'queued,pinning,pinned,failed'

/** A thin client for one server and one token: a test shows exactly what is sent. */
export interface Api {
  /** The base of the API, without a slash at the end. */
  url: string
  token: string
  /** Sends anything to `path` below the base; never throws for a status. */
  send(
    method: string,
    path: string,
    more?: { body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer>
  post(pin: WirePin): Promise<WireStatus>
  replace(requestid: string, pin: WirePin): Promise<WireStatus>
  get(requestid: string): Promise<WireStatus>
  list(query?: Record<string, string>): Promise<WirePage>
  /** All pins in every state, newest first, read page by page. */
  all(query?: Record<string, string>): Promise<WireStatus[]>
  remove(requestid: string): Promise<void>
}

export function apiOf(url: string, token: string): Api {
  const send: Api['send'] = async (method, path, { body, headers = {} } = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const list = async (query: Record<string, string> = {}): Promise<WirePage> =>
    bodyOf(await send('GET', `/pins?${new URLSearchParams(query)}`), 200)
  return {
    url,
    token,
    send,
    list,
    post: async (pin) => bodyOf(await send('POST', '/pins', { body: pin }), 202),
    replace: async (id, pin) => bodyOf(await send('POST', `/pins/${id}`, { body: pin }), 202),
    get: async (id) => bodyOf(await send('GET', `/pins/${id}`), 200),
    all: (query = {}) => everyPage(list, query),
    async remove(id) {
      const answer = await send('DELETE', `/pins/${id}`)
      assert.equal(answer.status, 202, answer.text)
      assert.equal(answer.text, '', 'DELETE answers without a body')
    },
  }
}

/** The JSON body of an answer that must have `status`. */
export function bodyOf<T>(answer: Answer, status: number): T {
  assert.equal(answer.status, status, answer.text)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json\b/)
  return JSON.parse(answer.text) as T
}

/** Asserts that an answer is a refusal in the form of the spec, and returns its details (or its reason when it has no details). */
export function refusalOf(answer: Answer, ...statuses: number[]): { reason: string; details: string } {
  assert.ok(statuses.includes(answer.status), `status ${answer.status}, wanted ${statuses}: ${answer.text}`)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json\b/)
  const { error } = JSON.parse(answer.text) as { error: { reason: string; details?: string } }
  assert.equal(typeof error.reason, 'string')
  assert.ok(error.reason.length > 0, answer.text)
  if (error.details !== undefined) assert.equal(typeof error.details, 'string')
  return { reason: error.reason, details: error.details ?? error.reason }
}

async function everyPage(list: Api['list'], query: Record<string, string>): Promise<WireStatus[]> {
  const seen: WireStatus[] = []
  for (let before: string | undefined; ; before = seen.at(-1)?.created) {
    const page = await list({
      status: allStatuses,
      limit: '1000',
      ...query,
      ...(before === undefined ? {} : { before }),
    })
    seen.push(...page.results)
    if (page.results.length === page.count) return seen
  }
}
