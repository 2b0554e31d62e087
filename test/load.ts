import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, WirePin } from './api.ts'
import type { Ledger } from './ledger.ts'

export interface LoadOptions {
  /** POSTs a second, sent on time whether or not earlier ones were answered. */
  perSecond: number
  /** The nodes to send to, in turn; asked before each POST. */
  through: () => readonly Api[]
  /** What to pin next. */
  next: () => WirePin
  /** Every 202 is noted here. */
  ledger: Ledger
  /** Whether a 503, or a node that does not listen, sends the client on to the next node, as a load balancer would. */
  detours?: boolean
}

export interface LoadReport {
  accepted: number
  /** What failed, in words; a client would have seen each of these. */
  failures: string[]
  /** Of POSTs that were accepted, ms, in the order of their answers. */
  latencies: number[]
}

/** Paced POSTs until stopped, each held to a 202. */
export class Load {
  readonly #options: LoadOptions
  readonly #report: LoadReport = { accepted: 0, failures: [], latencies: [] }
  readonly #stop = new AbortController()
  readonly #sending = new Set<Promise<void>>()
  readonly #running: Promise<void>
  #turn = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  get report(): Readonly<LoadReport> {
    return this.#report
  }

  /** Resolves when everything sent has been answered. */
  async stop(): Promise<LoadReport> {
    this.#stop.abort()
    await this.#running
    await Promise.all(this.#sending)
    return this.#report
  }

  async #run(): Promise<void> {
    const started = performance.now()
    for (let n = 1; !this.#stop.signal.aborted; n++) {
      const sending = this.#send().finally(() => this.#sending.delete(sending))
      this.#sending.add(sending)
      const waitMs = started + (n * 1000) / this.#options.perSecond - performance.now()
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined)
    }
  }

  async #send(): Promise<void> {
    const { through, next, ledger, detours = false } = this.#options
    const pin = next()
    const apis = through()
    const first = this.#turn++
    const said: string[] = []
    for (let step = 0; step < (detours ? apis.length : 1); step++) {
      const api = apis[(first + step) % apis.length]
      if (api === undefined) throw new Error('there is no node to send to')
      const sentAt = performance.now()
      const outcome = await attempt(api, pin)
      if ('requestid' in outcome) {
        this.#report.accepted++
        this.#report.latencies.push(performance.now() - sentAt)
        ledger.promised.set(outcome.requestid, pin.cid)
        return
      }
      said.push(`${api.url}: ${outcome.refusal}`)
      if (!outcome.elsewhere) break
    }
    this.#report.failures.push(said.join('; then '))
  }
}

type Outcome = { requestid: string } | { refusal: string; elsewhere: boolean }

async function attempt(api: Api, pin: WirePin): Promise<Outcome> {
  try {
    const { status, text } = await api.send('POST', '/pins', { body: pin })
    if (status !== 202) return { refusal: `${status} ${text}`, elsewhere: status === 503 }
    const { requestid }: { requestid: string } = JSON.parse(text)
    return { requestid }
  } catch (error) {
    // Nothing was sent to a node that does not listen.
    return { refusal: inWords(error), elsewhere: inWords(error).includes('ECONNREFUSED') }
  }
}

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${inWords(error.cause)}`
}
