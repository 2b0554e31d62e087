import type { BackoffRange } from '../core/backoff.ts'
import type { Claim, Job } from '../core/placement.ts'
import { OriginTurns } from './origin-turns.ts'

/** When an attempt is given up. */
export interface AttemptLimits {
  /** No new block for so long. */
  stallTimeoutMs: number
  /** Fewer bytes a second, from the first block on; 0 for never. */
  minRateBytes: number
  /** The pin was asked for so long ago. */
  maxAgeMs: number
  backoff: BackoffRange
}

/**
 * Why an attempt under way is told to stop. `intent`: another generation is wanted by now. `shutdown`: this process ends.
 * `stalled`: no new block for too long. `slow`: too few of them. `crowded`: others need its place. `aged`: `pin.maxAge` passed.
 * `full`: it outgrew this node. `garbage`: Kubo is needed for collecting garbage.
 */
export type Stop = 'intent' | 'shutdown' | 'stalled' | 'slow' | 'crowded' | 'aged' | 'full' | 'garbage'

/**
 * The rate is judged once in so long, from the first block on: looking for content is bounded by the stall limit. So one that trickles from
 * the start holds its attempt for stallTimeout + 10 min at most, and one that was fast before for 20 min from then on: the rest of a span in
 * which it was fast, and one more.
 */
const rateSpanMs = 600_000
/** What a block counts for at least: round trips, not the line, are what a DAG of tiny blocks is bound by. */
const blockWorth = 4_096

/** What is under way for one CID: from the moment its job left the queue until its finish is written. */
export class Attempt {
  readonly job: Job
  claim: Claim | null = null
  /** Its claim's time begins before the claim was asked for, so that it never ends later here than in Postgres. */
  leasedAtMs: number
  claimedAtMs = Infinity
  heardAtMs = Infinity
  blocks = 0
  bytes = 0
  /** How far it was when the span began that its rate is judged over. */
  spanStart = { atMs: Infinity, blocks: 0, bytes: 0 }
  /** Bytes that Kubo used when it began; null when that was not known. */
  usedAtStart: number | null = null
  /** The blocks that Postgres knows of; -1 until it heard of this attempt at all. */
  reportedBlocks = -1
  /** A newer job for the same CID: looked at when this one's finish is written. */
  next: Job | null = null
  /** Somebody else asked for the same: there may be more origins by now. */
  woken = false
  /** The origins that are dialled for it. */
  readonly origins = new OriginTurns()
  #ended = false
  #stop: Stop | null = null
  readonly #abort = new AbortController()

  constructor(job: Job, nowMs: number) {
    this.job = job
    this.leasedAtMs = nowMs
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get stopped(): Stop | null {
    return this.#stop
  }

  /** Kubo is done with it. */
  get ended(): boolean {
    return this.#ended
  }

  /** Kubo is done with it: calls that are still out on its behalf are hung up. */
  end(): void {
    this.#ended = true
    if (this.origins.taken > 0) this.#abort.abort()
  }

  /** Begins, now that Postgres granted the claim. */
  begin(claim: Claim, nowMs: number): void {
    this.claim = claim
    this.claimedAtMs = nowMs
    this.heardAtMs = nowMs
  }

  /** True when these are more blocks than before. */
  progressed(blocks: number, bytes: number, nowMs: number): boolean {
    if (blocks === this.blocks) return false
    if (this.blocks === 0) this.spanStart = { atMs: nowMs, blocks, bytes }
    this.blocks = blocks
    this.bytes = bytes
    this.heardAtMs = nowMs
    return true
  }

  /** Stops Kubo at once; only the first reason counts. An unpin cannot be taken back half-way, so it goes on to its end. */
  stop(why: Stop): void {
    if (this.#stop !== null || this.#ended) return
    if (this.claim?.work === 'unpin' && why !== 'shutdown') return
    this.#stop = why
    this.#abort.abort()
  }

  /** Why it must stop now, judged by the clock and what came. */
  overdue(limits: AttemptLimits, nowMs: number): 'stalled' | 'slow' | 'aged' | null {
    if (this.claim === null || this.#ended || this.claim.work === 'unpin') return null
    if (nowMs - this.heardAtMs >= limits.stallTimeoutMs) return 'stalled'
    if (this.#isSlow(limits.minRateBytes, nowMs)) return 'slow'
    return nowMs >= this.#deadlineMs(this.claim, limits) ? 'aged' : null
  }

  /** At the end of a span that brought enough the next one begins. */
  #isSlow(minRateBytes: number, nowMs: number): boolean {
    const { atMs, blocks, bytes } = this.spanStart
    if (nowMs - atMs < rateSpanMs) return false
    const worth = Math.max(this.bytes - bytes, (this.blocks - blocks) * blockWorth)
    if (worth < (minRateBytes * (nowMs - atMs)) / 1_000) return true
    this.spanStart = { atMs: nowMs, blocks: this.blocks, bytes: this.bytes }
    return false
  }

  /** However old: the first attempt of all has its full time, later ones a moment, so that none ends before it began. */
  #deadlineMs(claim: Claim, limits: AttemptLimits): number {
    const leastMs = claim.attempt <= 1 ? limits.stallTimeoutMs : Math.min(limits.stallTimeoutMs, 2_000)
    return this.claimedAtMs + Math.max(limits.maxAgeMs - claim.ageMs, leastMs)
  }
}
