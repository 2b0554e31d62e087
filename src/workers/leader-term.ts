import { numberOf, type Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import type { Clock, Log } from '../core/ports.ts'

/** Why a term ended: its lease did, the database has another epoch, or the database could not be reached. */
export type TermEnd = 'lease' | 'epoch' | 'database'

/** When a leader gives up because it cannot reach Postgres. */
export interface TermLimits {
  /** After this many runs in a row that could not. Runs that fail together count as one. */
  tries: number
  /** After runs have waited this long, and none has reached it. */
  patienceMs: number
}

/** The dependencies of a term. */
export interface TermParts {
  epoch: Epoch
  lease: AbortSignal
  limits: TermLimits
  clock: Pick<Clock, 'sleep'>
  log: Log
}

/**
 * One term of a leader. It ends with its lease, and earlier when its work cannot be done: at once when the database says that its epoch is
 * over, and when its runs no longer reach Postgres. Another node may reach it. Only runs of this term end it.
 */
export class LeaderTerm {
  readonly epoch: Epoch
  /** Aborts when the term is over. */
  readonly signal: AbortSignal
  readonly ended: Promise<TermEnd>
  readonly #parts: TermParts
  readonly #over = new AbortController()
  #why: TermEnd = 'lease'
  #underWay = 0
  /** Runs in a row that could not reach Postgres, and how many there were in the whole term. */
  #inARow = 0
  #failed = 0
  /** Ends the present wait for a run that reaches Postgres; null while no run waits. */
  #waiting: AbortController | null = null

  constructor(parts: TermParts) {
    this.#parts = parts
    this.epoch = parts.epoch
    this.signal = AbortSignal.any([parts.lease, this.#over.signal])
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.#waiting?.abort()
        resolve(this.#why)
      }
      if (this.signal.aborted) end()
      else this.signal.addEventListener('abort', end, { once: true })
    })
  }

  /** Does `work` as a run of this term. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const failedBefore = this.#failed
    this.#underWay++
    this.#wait()
    try {
      const result = await work().finally(() => this.#underWay--)
      this.#reached()
      return result
    } catch (error) {
      if (isCode(error, 'not_leading')) this.#end('epoch', error)
      else if (!isCode(error, 'unavailable')) this.#reached()
      else if (this.#failed === failedBefore) this.#notReached(error)
      throw error
    }
  }

  #reached(): void {
    this.#inARow = 0
    this.#waiting?.abort()
    this.#waiting = null
    if (this.#underWay > 0) this.#wait()
  }

  #notReached(error: unknown): void {
    this.#failed++
    if (++this.#inARow >= this.#parts.limits.tries) this.#end('database', error)
  }

  /** The wait continues through failures, since the next run comes soon. */
  #wait(): void {
    if (this.#waiting !== null || this.signal.aborted) return
    this.#waiting = new AbortController()
    const { clock, limits } = this.#parts
    clock.sleep(limits.patienceMs, this.#waiting.signal).then(
      () => this.#end('database'),
      () => {},
    )
  }

  #end(why: Exclude<TermEnd, 'lease'>, err?: unknown): void {
    if (this.signal.aborted) return
    this.#why = why
    this.#parts.log.warn({ epoch: numberOf(this.epoch), err }, texts[why])
    this.#over.abort(new Error(texts[why]))
  }
}

const texts = {
  epoch: 'the database says that the epoch of this leader is over; it releases its lease',
  database: 'this leader cannot reach Postgres; it releases its lease, so that another node can lead',
}
