import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'

/** A token and its id. */
export interface Bearer {
  token: string
  id: string
}

/** One request with a token, as its client saw it; times are from `performance.now()`. */
export interface Seen {
  id: string
  status: number
  sentMs: number
  answeredMs: number
}

/** Sends paced GETs with a changing set of tokens, each token to each node in turn. */
export class TokenLoad {
  readonly urls: readonly string[]
  readonly #perSecond: number
  readonly #bearers: Bearer[] = []
  readonly #agent = new Agent({ connections: 16 })
  readonly #sending = new Set<Promise<unknown>>()
  #seen: Seen[] = []
  #stop: AbortController | undefined
  #running: Promise<void> = Promise.resolve()

  constructor({ urls, perSecond }: { urls: readonly string[]; perSecond: number }) {
    this.urls = urls
    this.#perSecond = perSecond
  }

  add(bearer: Bearer): void {
    this.#bearers.push(bearer)
  }

  drop(bearer: Bearer): void {
    this.#bearers.splice(this.#bearers.indexOf(bearer), 1)
  }

  /** Sends one extra request; returns its status. */
  async ask(url: string, { token }: Bearer): Promise<number> {
    const { statusCode, body } = await request(`${url}/v1/pins?limit=1`, {
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${token}` },
    })
    await body.dump()
    return statusCode
  }

  start(): void {
    this.#stop = new AbortController()
    this.#running = this.#run(this.#stop.signal)
  }

  /** Resolves with everything seen since `start`, once every request is answered. */
  async stop(): Promise<Seen[]> {
    this.#stop?.abort()
    await this.#running
    await Promise.all(this.#sending)
    const seen = this.#seen
    this.#seen = []
    return seen
  }

  async #run(signal: AbortSignal): Promise<void> {
    const startedMs = performance.now()
    for (let n = 0; !signal.aborted; n++) {
      const bearer = this.#bearers[n % this.#bearers.length]
      const url = this.urls[Math.floor(n / this.#bearers.length) % this.urls.length]
      if (bearer !== undefined && url !== undefined) {
        const sending = this.#send(url, bearer).finally(() => this.#sending.delete(sending))
        this.#sending.add(sending)
      }
      const waitMs = startedMs + ((n + 1) * 1000) / this.#perSecond - performance.now()
      if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }

  async #send(url: string, bearer: Bearer): Promise<void> {
    const sentMs = performance.now()
    const status = await this.ask(url, bearer)
    this.#seen.push({ id: bearer.id, status, sentMs, answeredMs: performance.now() })
  }
}
