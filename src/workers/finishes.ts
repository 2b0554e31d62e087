import { backoffMs } from './backoff.ts'
import { isCode } from '../core/errors.ts'
import { gather } from '../core/gather.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Finish, Job } from '../core/placement.ts'
import type { Log, PlacementStore, SteadyClock } from '../core/ports.ts'

/** The most finishes that share one transaction. */
const batchMax = 64
const backoff = { minMs: 100, maxMs: 5_000 }
/** How often to try a finish that Postgres refuses although it can be reached. */
const refusalsMax = 3

/** The dependencies of `Finishes`. */
export interface FinishesParts {
  identity: NodeIdentity
  placements: PlacementStore
  clock: SteadyClock
  log: Log
  random: () => number
  /** Ends all waiting. Outcomes that are not written by then are left to the sweep. */
  signal: AbortSignal
  /** Called before a batch is closed; see `gather`. */
  pause: (waiting: number) => Promise<void>
  /** Called with jobs that waited for a claim to end, to be looked at now. */
  onWoken: (jobs: Job[]) => void
}

/**
 * Writes outcomes, many at a time. A finish is kept until it is written or the process stops, so that Kubo's work is not repeated because
 * Postgres is down. `stuck` is true while finishes wait for Postgres; nothing new should be claimed meanwhile.
 */
export class Finishes {
  readonly #parts: FinishesParts
  readonly #add: (key: 'all', finish: Finish) => Promise<boolean>
  #stuck = false

  constructor(parts: FinishesParts) {
    this.#parts = parts
    this.#add = gather((_key, finishes) => this.#write(finishes), { max: batchMax, pause: parts.pause })
  }

  get stuck(): boolean {
    return this.#stuck
  }

  /** Resolves once the outcome is written (true) or given up (false). */
  write(finish: Finish): Promise<boolean> {
    return this.#add('all', finish)
  }

  async #write(finishes: Finish[]): Promise<boolean[]> {
    const { clock, log, random, signal } = this.#parts
    let refusals = 0
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        this.#parts.onWoken(await this.#parts.placements.finish(this.#parts.identity, finishes))
        this.#stuck = false
        return finishes.map(() => true)
      } catch (error) {
        if (!isCode(error, 'unavailable') && ++refusals >= refusalsMax) return this.#apart(finishes, error)
        if (failures === 3)
          log.warn(
            { err: error, finishes: finishes.length },
            'outcomes cannot be written to Postgres yet; they are kept',
          )
        this.#stuck = failures >= 3
        await clock.sleep(backoffMs(failures, backoff, random()), signal).catch(() => undefined)
      }
    }
    return finishes.map(() => false)
  }

  /** One bad finish must not hold back the others of its batch: writes each one alone, and leaves the bad one to the sweep. */
  async #apart(finishes: Finish[], error: unknown): Promise<boolean[]> {
    if (finishes.length > 1) {
      const written: boolean[] = []
      for (const finish of finishes) written.push(...(await this.#write([finish])))
      return written
    }
    const cid = finishes[0]?.cid
    this.#parts.log.error(
      { err: error, cid },
      'Postgres refused an outcome; it is dropped, and its claim expires',
    )
    this.#stuck = false
    return [false]
  }
}
