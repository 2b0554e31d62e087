import type { NodeIdentity } from '../core/node.ts'
import { backoffMs } from './backoff.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, Log, SteadyClock } from '../core/ports.ts'

/** The most hints that the bus may hand over before they have been looked at. */
const pendingMax = 1_024
const backoff = { minMs: 500, maxMs: 30_000 }

/** The dependencies of the consumer of hints. */
export interface HintParts {
  identity: NodeIdentity
  bus: Bus
  clock: SteadyClock
  log: Log
  random: () => number
  /** Returns true when the job is queued; `looked` is called for it later. */
  offer: (job: Job) => boolean
}

/**
 * Consumes this node's jobs from the bus. A job is acknowledged once its row has been looked at; from then on its claim says who works on
 * it.
 */
export class Hints {
  readonly #parts: HintParts
  readonly #onLook = new Map<string, (() => void)[]>()
  #closing = new AbortController()
  #onOpen: () => void = () => {}

  constructor(parts: HintParts) {
    this.#parts = parts
  }

  /** Consumes until `signal` aborts, except between `close` and `open`. */
  async consume(signal: AbortSignal): Promise<void> {
    const { bus, identity, clock, log, random } = this.#parts
    for (let failures = 1; !signal.aborted; failures++) {
      await this.#opened(signal)
      if (signal.aborted) return
      const until = AbortSignal.any([signal, this.#closing.signal])
      try {
        await bus.consumeJobs(identity.nodeId, pendingMax, this.#hint, until)
      } catch (error) {
        if (!until.aborted)
          log.warn({ err: error }, 'no hints arrive over NATS; due work still comes from Postgres')
      }
      if (until.aborted) failures = 0
      else await clock.sleep(backoffMs(failures, backoff, random()), signal).catch(() => undefined)
    }
  }

  /** Takes no more hints until `open`. */
  close(): void {
    this.#closing.abort()
  }

  open(): void {
    if (!this.#closing.signal.aborted) return
    this.#closing = new AbortController()
    this.#onOpen()
  }

  /** Call this when the job of `cid` has been looked at: it was claimed, or there is nothing to do for it. */
  looked(cid: string): void {
    const waiting = this.#onLook.get(cid)
    if (waiting === undefined) return
    this.#onLook.delete(cid)
    for (const resolve of waiting) resolve()
  }

  /** Acknowledges all jobs, because no more will be looked at. The next start reads them from Postgres. */
  allLooked(): void {
    for (const cid of this.#onLook.keys()) this.looked(cid)
  }

  async #opened(signal: AbortSignal): Promise<void> {
    if (!this.#closing.signal.aborted || signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#onOpen = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  #hint = (job: Job): Promise<void> =>
    new Promise((resolve) => {
      if (job.nodeId !== this.#parts.identity.nodeId || !this.#parts.offer(job)) return resolve()
      const waiting = this.#onLook.get(job.cid)
      if (waiting === undefined) this.#onLook.set(job.cid, [resolve])
      else waiting.push(resolve)
    })
}
