import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, WirePin } from '../clients/api.ts'
import type { Ledger } from './ledger.ts'

export interface LoadOptions {
  /** POSTs a second, sent on schedule whether or not earlier ones are answered. */
  perSecond: number
  /** The nodes to send to, in turn; called before each POST. */
  through: () => readonly Api[]
  /** The next pin. */
  next: () => WirePin
  /** Records every 202. */
  ledger: Ledger
  /** Whether the client goes to the next node after a 503, or when a node does not listen, as a load balancer would. */
  detours?: boolean
}

export interface LoadReport {
  accepted: number
  /** The failures that a client would have seen, in words. */
  failures: string[]
  /** Latencies of accepted POSTs, ms, in the order of their answers. */
  latencies: number[]
}

/** Sends paced POSTs until stopped; each must be answered with 202. */
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

  /** Resolves when every request has been answered. */
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
    // A node that does not listen received nothing, so the POST may go to the next node.
    return { refusal: inWords(error), elsewhere: inWords(error).includes('ECONNREFUSED') }
  }
}

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${inWords(error.cause)}`
}
