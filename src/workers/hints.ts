import { backoffMs } from '../core/backoff.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, Clock, Log, NodeIdentity } from '../core/ports.ts'

/** Hints that the bus may have handed over and that were not looked at yet. */
const pendingMax = 1_024
const backoff = { minMs: 500, maxMs: 30_000 }

/** What the consumer of hints is made of. */
export interface HintParts {
  identity: NodeIdentity
  bus: Bus
  clock: Clock
  log: Log
  random: () => number
  /** True when the job waits for its turn now; then `looked` will be told. */
  offer: (job: Job) => boolean
}

/** This node's jobs as the bus hands them over. Each is acknowledged once its row was looked at; its claim carries it from there. */
export class Hints {
  readonly #parts: HintParts
  readonly #onLook = new Map<string, (() => void)[]>()

  constructor(parts: HintParts) {
    this.#parts = parts
  }

  /** Consumes until `signal` aborts. */
  async consume(signal: AbortSignal): Promise<void> {
    const { bus, identity, clock, log, random } = this.#parts
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await bus.consumeJobs(identity.nodeId, pendingMax, this.#hint, signal)
      } catch (error) {
        if (!signal.aborted)
          log.warn({ err: error }, 'no hints from the bus; due work still comes from Postgres')
      }
      if (signal.aborted) return
      await clock.sleep(backoffMs(failures, backoff, random()), signal).catch(() => undefined)
    }
  }

  /** The job of `cid` was looked at: claimed, or found to be nothing to do. */
  looked(cid: string): void {
    const waiting = this.#onLook.get(cid)
    if (waiting === undefined) return
    this.#onLook.delete(cid)
    for (const resolve of waiting) resolve()
  }

  /** Nothing more will be looked at. What is acknowledged so is read from Postgres at the next start. */
  allLooked(): void {
    for (const cid of this.#onLook.keys()) this.looked(cid)
  }

  #hint = (job: Job): Promise<void> =>
    new Promise((resolve) => {
      if (job.nodeId !== this.#parts.identity.nodeId || !this.#parts.offer(job)) return resolve()
      const waiting = this.#onLook.get(job.cid)
      if (waiting === undefined) this.#onLook.set(job.cid, [resolve])
      else waiting.push(resolve)
    })
}
