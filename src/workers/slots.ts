import { FairQueue, kindOf, orgOf } from './fair-queue.ts'
import type { JobKind } from './fair-queue.ts'
import type { Job } from '../core/placement.ts'

/** How much a node works on at a time. */
export interface SlotLimits {
  /** Attempts that may hold an active slot. */
  concurrency: number
  /** Attempts that may wait in Kubo for a first or a next block without holding a slot. */
  searching: number
  /** Attempts that may run outside of the active slots because they are large. */
  long: number
  /** Jobs that may wait, retries apart. */
  queued: number
  queuedRetries: number
  /** Jobs of one kind that may wait for one org. */
  queuedPerOrg: number
  /** An attempt that is silent for this long gives up its slot. */
  silentMs: number
  /** The same while other jobs wait for a slot. */
  hurriedMs: number
  /** When no more attempts may search, one that has searched for at least this long is told to stop. */
  searchMs: number
  /** An attempt that keeps receiving for this long moves out of the active slots. */
  longMs: number
}

/** The limits of a node that keeps `concurrency` attempts active. */
export function slotLimits(concurrency: number): SlotLimits {
  return {
    concurrency,
    searching: 256,
    long: concurrency,
    queued: 2048,
    queuedRetries: 256,
    queuedPerOrg: 256,
    silentMs: 2_000,
    hurriedMs: 500,
    searchMs: 5_000,
    longMs: 10_000,
  }
}

/** What became of an offered job. `known`: the queue already has it, or a newer one. `full`: it is left to the database. */
export type Offered = 'queued' | 'known' | 'full'

/** The number of jobs in each place. */
export interface SlotCounts {
  queued: number
  active: number
  searching: number
  long: number
}

/** The order of turns when all kinds wait. */
const turns: readonly JobKind[] = ['fresh', 'fresh', 'fresh', 'retry', 'fresh', 'fresh', 'fresh', 'unpin']

type Pool = 'active' | 'searching' | 'long'

interface Attempt {
  readonly cid: string
  readonly kind: JobKind
  readonly org: string
  pool: Pool
  /** Infinity until the attempt reaches Kubo: waiting for a claim does not count as silence. */
  heardAtMs: number
  startedAtMs: number
  stopping: boolean
}

/**
 * Decides which of a node's jobs run now. Pure: it is told what happened and when, and answers what to do.
 *
 * A job *waits* for its org's turn; `take` gives it an *active* slot. An attempt that receives no block moves to *searching*, which frees
 * its slot (waiting in Kubo costs little). A block brings it back, though that may exceed the slots by a few. An attempt that receives for
 * long moves to *long*, so that large content does not hold up small content. `end` forgets an attempt.
 *
 * Fresh jobs go first, but retries and unpins get turns too, so none of them starves. While others wait, retries hold at most half of the
 * slots, and unpins an eighth. Any one org leaves an eighth of the slots to the others at all times.
 */
export class Slots {
  readonly #limits: SlotLimits
  readonly #queue: FairQueue
  readonly #attempts = new Map<string, Attempt>()
  /** In the order in which they began to search. */
  readonly #searching = new Set<Attempt>()
  readonly #activeOf: Record<JobKind, number> = { fresh: 0, retry: 0, unpin: 0 }
  readonly #activeOfOrg = new Map<string, number>()
  readonly #longOfOrg = new Map<string, number>()
  #active = 0
  #long = 0
  #turn = 0

  constructor(limits: SlotLimits) {
    this.#limits = limits
    const { queued, queuedRetries, queuedPerOrg } = limits
    this.#queue = new FairQueue({ max: queued, retries: queuedRetries, perOrg: queuedPerOrg })
  }

  /** Queues a job, in place of an older one for the same CID. */
  offer(job: Job): Offered {
    const queued = this.#queue.get(job.cid)
    if (queued !== undefined) {
      if (queued.generation >= job.generation) return 'known'
      this.#queue.remove(job.cid)
    }
    return this.#queue.push(job) ? 'queued' : 'full'
  }

  /** Forgets all waiting jobs; returns their CIDs. */
  drop(): string[] {
    return this.#queue.clear()
  }

  /** The jobs that start now, such that at most `most` are active. Each holds a slot until `end`. */
  take(most = this.#limits.concurrency): Job[] {
    const taken: Job[] = []
    while (this.#active < Math.min(most, this.#limits.concurrency) && this.#queue.size > 0) {
      const job = this.#pick()
      if (job === undefined) break
      this.#start(job)
      taken.push(job)
    }
    return taken
  }

  /** The attempt reached Kubo, or received a block. */
  heard(cid: string, nowMs: number): void {
    const attempt = this.#attempts.get(cid)
    if (attempt === undefined) return
    if (attempt.heardAtMs === Infinity) attempt.startedAtMs = nowMs
    attempt.heardAtMs = nowMs
    if (attempt.pool === 'searching' && !attempt.stopping) this.#move(attempt, 'active')
  }

  /** Moves silent and long attempts out of their slots. Returns the CIDs that must stop because too many search. */
  tick(nowMs: number): string[] {
    const crowd = this.#queue.size > 0
    const silenceMs = crowd ? this.#limits.hurriedMs : this.#limits.silentMs
    let wanting = 0
    for (const attempt of this.#attempts.values()) {
      if (attempt.pool !== 'active') continue
      if (nowMs - attempt.heardAtMs >= silenceMs) {
        if (this.#searching.size < this.#limits.searching) this.#move(attempt, 'searching')
        else wanting++
      } else if (nowMs - attempt.startedAtMs >= this.#limits.longMs && this.#mayRunLong(attempt.org)) {
        this.#move(attempt, 'long')
      }
    }
    return crowd && wanting > 0 ? this.#makeRoom(wanting, nowMs) : []
  }

  /** The attempt is over, and its place is free. */
  end(cid: string): void {
    const attempt = this.#attempts.get(cid)
    if (attempt === undefined) return
    this.#leave(attempt)
    this.#attempts.delete(cid)
  }

  get queued(): number {
    return this.#queue.size
  }

  /** How many more retries may wait. */
  get roomForRetries(): number {
    return this.#queue.roomForRetries
  }

  counts(): SlotCounts {
    return {
      queued: this.#queue.size,
      active: this.#active,
      searching: this.#searching.size,
      long: this.#long,
    }
  }

  #pick(): Job | undefined {
    for (let step = 0; step < turns.length; step++) {
      const kind = turns[(this.#turn + step) % turns.length] ?? 'fresh'
      const job = this.#mayGo(kind) ? this.#queue.take(kind, this.#orgMayGo) : undefined
      if (job === undefined) continue
      this.#turn = (this.#turn + step + 1) % turns.length
      return job
    }
    return undefined
  }

  #mayGo(kind: JobKind): boolean {
    const { concurrency } = this.#limits
    const fresh = this.#queue.waiting('fresh')
    switch (kind) {
      case 'fresh':
        return true
      case 'retry':
        return fresh === 0 || this.#activeOf.retry < atLeastOne(concurrency / 2)
      case 'unpin':
        return (
          fresh + this.#queue.waiting('retry') === 0 || this.#activeOf.unpin < atLeastOne(concurrency / 8)
        )
      default:
        return kind satisfies never
    }
  }

  #orgMayGo = (org: string): boolean => {
    const { concurrency } = this.#limits
    return (this.#activeOfOrg.get(org) ?? 0) < concurrency - Math.floor(concurrency / 8)
  }

  #start(job: Job): void {
    const attempt: Attempt = {
      cid: job.cid,
      kind: kindOf(job),
      org: orgOf(job),
      pool: 'active',
      heardAtMs: Infinity,
      startedAtMs: Infinity,
      stopping: false,
    }
    this.#attempts.set(job.cid, attempt)
    this.#enter(attempt)
  }

  #mayRunLong(org: string): boolean {
    const { long } = this.#limits
    return this.#long < long && (this.#longOfOrg.get(org) ?? 0) < atLeastOne(long / 2)
  }

  /** Stops the attempts that have searched longest. */
  #makeRoom(wanted: number, nowMs: number): string[] {
    const stopped: string[] = []
    let stopping = 0
    for (const attempt of this.#searching) {
      if (stopping >= wanted) break
      if (!attempt.stopping) {
        if (nowMs - attempt.heardAtMs < this.#limits.searchMs) continue
        attempt.stopping = true
        stopped.push(attempt.cid)
      }
      stopping++
    }
    return stopped
  }

  #move(attempt: Attempt, pool: Pool): void {
    this.#leave(attempt)
    attempt.pool = pool
    this.#enter(attempt)
  }

  #enter(attempt: Attempt): void {
    if (attempt.pool === 'searching') this.#searching.add(attempt)
    this.#count(attempt, 1)
  }

  #leave(attempt: Attempt): void {
    this.#searching.delete(attempt)
    this.#count(attempt, -1)
  }

  #count({ pool, kind, org }: Attempt, by: 1 | -1): void {
    if (pool === 'active') {
      this.#active += by
      this.#activeOf[kind] += by
      add(this.#activeOfOrg, org, by)
    } else if (pool === 'long') {
      this.#long += by
      add(this.#longOfOrg, org, by)
    }
  }
}

function atLeastOne(share: number): number {
  return Math.max(1, Math.floor(share))
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const sum = (counts.get(key) ?? 0) + by
  if (sum > 0) counts.set(key, sum)
  else counts.delete(key)
}
