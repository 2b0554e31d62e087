import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, Answer } from '../../testing/clients/api.ts'
import type { Ledger } from '../../testing/world/ledger.ts'
import { Random } from '../../testing/random.ts'

/** The requests, and the answers that were wrong. */
export interface Traffic {
  /** The number of requests of each kind. */
  asked: Record<string, number>
  /** Answers with status 500 and above, and requests without an answer, in words. */
  broken: string[]
  /** Other unexpected answers, in words. */
  odd: string[]
}

interface Held {
  requestid: string
  cid: string
}

/** Requests a second of one user outside the rush; the share of its contents that is pinned in the long run. */
const perSecond = 5
const heldShare = 0.5
/** Well below the rate limit of one address without a token. */
const anonymousEveryMs = 15_000

/**
 * Simulates ordinary use until `signal` aborts. There is one user for each of `contents`. A user asks all nodes in turn, adds and
 * deletes pins so that half of its contents are pinned, replaces, reads and lists. One more client opens the sign-in page, and one
 * scrapes as Prometheus does. While `isRush`, users send the next request as soon as they have the answer. Every pin that must remain
 * is in `ledger`.
 */
export async function traffic(
  apis: readonly Api[],
  contents: readonly string[][],
  ledger: Ledger,
  isRush: () => boolean,
  signal: AbortSignal,
): Promise<Traffic> {
  const seen: Traffic = { asked: {}, broken: [], odd: [] }
  const users = contents.map((own, n) => new User(new Random(n + 1), own, ledger, seen))
  const pace = (): number => (isRush() ? 0 : 1_000 / perSecond)
  await Promise.all([
    ...users.map((user) => every(pace, signal, (n) => user.act(at(apis, n)))),
    every(
      () => anonymousEveryMs,
      signal,
      (n) => openPages(at(apis, n), seen),
    ),
  ])
  return seen
}

/** One user, who sends one request at a time; no other user touches its pins. */
class User {
  readonly #dice: Random
  readonly #free: string[]
  readonly #held: Held[] = []
  readonly #few: number
  readonly #ledger: Ledger
  readonly #seen: Traffic

  constructor(dice: Random, contents: readonly string[], ledger: Ledger, seen: Traffic) {
    this.#dice = dice
    this.#free = [...contents]
    this.#few = contents.length * heldShare
    this.#ledger = ledger
    this.#seen = seen
  }

  async act(api: Api): Promise<void> {
    const roll = this.#dice.next()
    if (this.#held.length === 0 || (roll < 0.5 && this.#held.length < this.#few)) await this.#pin(api)
    else if (roll < 0.5) await this.#remove(api)
    else if (roll < 0.55) await this.#replace(api)
    else if (roll < 0.8) await this.#read(api)
    else await this.#list(api)
  }

  async #pin(api: Api): Promise<void> {
    const cid = this.#take(this.#free)
    const body = { cid, name: `soak ${cid.slice(-6)}`, meta: { app: 'soak', part: cid.slice(-1) } }
    const answer = await ask(this.#seen, 'POST', 202, () => api.send('POST', '/pins', { body }))
    this.#hold(answer, cid)
  }

  async #replace(api: Api): Promise<void> {
    const old = this.#take(this.#held)
    const cid = this.#take(this.#free)
    const path = `/pins/${old.requestid}`
    const answer = await ask(this.#seen, 'replace', 202, () => api.send('POST', path, { body: { cid } }))
    this.#letGo(old)
    this.#hold(answer, cid)
  }

  async #remove(api: Api): Promise<void> {
    const old = this.#take(this.#held)
    await ask(this.#seen, 'DELETE', 202, () => api.send('DELETE', `/pins/${old.requestid}`))
    this.#letGo(old)
  }

  async #read(api: Api): Promise<void> {
    const one = this.#take(this.#held)
    await ask(this.#seen, 'GET', 200, () => api.send('GET', `/pins/${one.requestid}`))
    this.#held.push(one)
  }

  async #list(api: Api): Promise<void> {
    const queries = [
      '',
      '?status=queued,pinning,pinned&limit=100',
      '?name=soak&match=partial',
      '?meta={"part":"a"}',
    ]
    const path = `/pins${this.#dice.pick(queries)}`
    await ask(this.#seen, 'list', 200, () => api.send('GET', path))
  }

  #hold(answer: Answer | null, cid: string): void {
    if (answer?.status !== 202) return
    const { requestid }: Held = JSON.parse(answer.text)
    this.#ledger.promised.set(requestid, cid)
    this.#held.push({ requestid, cid })
  }

  #letGo({ requestid, cid }: Held): void {
    this.#ledger.forget(requestid)
    this.#free.push(cid)
  }

  /** Removes and returns a random one. */
  #take<T>(from: T[]): T {
    const [one] = from.splice(this.#dice.int(0, from.length - 1), 1)
    if (one === undefined) throw new Error('the user has no pin left to choose from')
    return one
  }
}

async function openPages(api: Api, seen: Traffic): Promise<void> {
  const root = new URL('/', api.url)
  await ask(seen, 'page', 200, () => page(root))
  await ask(seen, 'sign-in', 302, () => page(new URL('/v1/auth/login', root)))
  await ask(seen, 'scrape', 200, () => page(new URL('/metrics', root)))
}

async function page(url: URL): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual' })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** Sends a request and notes a wrong answer; null when there was no answer. */
async function ask(
  seen: Traffic,
  what: string,
  due: number,
  send: () => Promise<Answer>,
): Promise<Answer | null> {
  seen.asked[what] = (seen.asked[what] ?? 0) + 1
  try {
    const answer = await send()
    if (answer.status === due) return answer
    const list = answer.status >= 500 ? seen.broken : seen.odd
    list.push(`${new Date().toISOString()} ${what}: ${answer.status} ${answer.text.slice(0, 300)}`)
    return answer
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    seen.broken.push(`${new Date().toISOString()} ${what}: ${String(cause)}`)
    return null
  }
}

/** Calls `work` on schedule, one call after another, until `signal` aborts; missed calls are skipped. */
async function every(
  ms: () => number,
  signal: AbortSignal,
  work: (n: number) => Promise<void>,
): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    const started = performance.now()
    await work(n)
    const waitMs = started + ms() - performance.now()
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined)
  }
}

function at<T>(list: readonly T[], n: number): T {
  const one = list[n % list.length]
  if (one === undefined) throw new Error('the list is empty')
  return one
}
