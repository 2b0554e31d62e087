import { backoffMs } from '../core/backoff.ts'
import { isCode } from '../core/errors.ts'
import { gather } from '../core/gather.ts'
import type { Finish, Job } from '../core/placement.ts'
import type { Clock, Log, NodeIdentity, PlacementStore } from '../core/ports.ts'

/** Finishes that share one transaction. */
const batchMax = 64
const backoff = { minMs: 100, maxMs: 5_000 }
/** Tries of a finish that Postgres refuses though it can be reached. */
const refusalsMax = 3

/** What writing outcomes needs. */
export interface FinishMeans {
  identity: NodeIdentity
  placements: PlacementStore
  clock: Clock
  log: Log
  random: () => number
  /** Ends all waiting; what was not written by then is left to the sweep. */
  signal: AbortSignal
  /** Before a batch is closed: see `gather`. */
  pause: (waiting: number) => Promise<void>
  /** What waited behind a claim that ended, to be looked at now. */
  onWoken: (jobs: Job[]) => void
}

/**
 * Writes outcomes, many at a time. What Kubo did is not done again because Postgres is away: a finish is kept until it is written,
 * or the process stops. `stuck` tells that it waits; nothing new should be claimed meanwhile.
 */
export class Finishes {
  readonly #means: FinishMeans
  readonly #add: (key: 'all', finish: Finish) => Promise<boolean>
  #stuck = false

  constructor(means: FinishMeans) {
    this.#means = means
    this.#add = gather((_key, finishes) => this.#write(finishes), { max: batchMax, pause: means.pause })
  }

  get stuck(): boolean {
    return this.#stuck
  }

  /** Resolves once the outcome is written (true) or given up (false). */
  write(finish: Finish): Promise<boolean> {
    return this.#add('all', finish)
  }

  async #write(finishes: Finish[]): Promise<boolean[]> {
    const { clock, log, random, signal } = this.#means
    let refusals = 0
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        this.#means.onWoken(await this.#means.placements.finish(this.#means.identity, finishes))
        this.#stuck = false
        return finishes.map(() => true)
      } catch (error) {
        if (!isCode(error, 'unavailable') && ++refusals >= refusalsMax) return this.#apart(finishes, error)
        if (failures === 3)
          log.warn({ err: error, finishes: finishes.length }, 'outcomes cannot be written yet: kept')
        this.#stuck = failures >= 3
        await clock.sleep(backoffMs(failures, backoff, random()), signal).catch(() => undefined)
      }
    }
    return finishes.map(() => false)
  }

  /** One bad finish must not hold back the others of its batch: each alone, and the bad one is left to the sweep. */
  async #apart(finishes: Finish[], error: unknown): Promise<boolean[]> {
    if (finishes.length > 1) {
      const written: boolean[] = []
      for (const finish of finishes) written.push(...(await this.#write([finish])))
      return written
    }
    const cid = finishes[0]?.cid
    this.#means.log.error(
      { err: error, cid },
      'an outcome was refused and is dropped; its claim will run out',
    )
    this.#stuck = false
    return [false]
  }
}
