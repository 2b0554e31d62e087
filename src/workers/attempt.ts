import type { BackoffRange } from './backoff.ts'
import type { Claim, Job } from '../core/placement.ts'
import { OriginTurns } from './origin-turns.ts'

/** The limits beyond which an attempt is given up. */
export interface AttemptLimits {
  /** No new block came for this long. */
  stallTimeoutMs: number
  /** Fewer bytes a second than this came, measured from the first block on; 0 for no limit. */
  minRateBytes: number
  /** The pin was asked for this long ago. */
  maxAgeMs: number
  backoff: BackoffRange
}

/**
 * Why an attempt under way must stop. `intent`: its placement has another generation by now. `shutdown`: this process ends. `stalled`: no
 * new block for too long. `slow`: too few new blocks. `crowded`: others need its place. `aged`: `pin.maxAge` passed. `full`: it outgrew
 * this node. `garbage`: Kubo is needed for collecting garbage.
 */
export type Stop = 'intent' | 'shutdown' | 'stalled' | 'slow' | 'crowded' | 'aged' | 'full' | 'garbage'

/**
 * The rate is judged over spans of this length, from the first block on; until then, the stall limit bounds the search for content. So
 * content that trickles from the start holds its attempt for at most stallTimeout + 10 min. Content that was fast first holds it for at
 * most 20 min after it became slow: the rest of the span in which it was fast, and one more span.
 */
const rateSpanMs = 600_000
/** Every block counts for at least this many bytes, because a DAG of tiny blocks is bound by round trips and not by bandwidth. */
const blockWorth = 4_096

/** The work under way for one CID, from the moment its job leaves the queue until its outcome is written. */
export class Attempt {
  readonly job: Job
  claim: Claim | null = null
  /**
   * When the claim was last asked for or extended. The time is taken before Postgres is asked, so that the claim never ends later here than
   * there.
   */
  claimRenewedAtMs: number
  claimedAtMs = Infinity
  heardAtMs = Infinity
  blocks = 0
  bytes = 0
  /** The progress at the start of the span over which the rate is judged. */
  spanStart = { atMs: Infinity, blocks: 0, bytes: 0 }
  /** Bytes that Kubo used when the attempt began; null if unknown. */
  usedAtStart: number | null = null
  /** The blocks that Postgres knows of; -1 until this attempt is first reported. */
  reportedBlocks = -1
  /** A newer job for the same CID, queued once this attempt's outcome is written. */
  next: Job | null = null
  /** Another pin of the same content was accepted, so there may be more origins by now. */
  woken = false
  /** The origins that are dialled for it. */
  readonly origins = new OriginTurns()
  #ended = false
  #stop: Stop | null = null
  readonly #abort = new AbortController()

  constructor(job: Job, nowMs: number) {
    this.job = job
    this.claimRenewedAtMs = nowMs
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get stopped(): Stop | null {
    return this.#stop
  }

  /** True once Kubo is done with it. */
  get ended(): boolean {
    return this.#ended
  }

  /** Notes that Kubo is done with it, and aborts the dials that are still running for it. */
  end(): void {
    this.#ended = true
    if (this.origins.taken > 0) this.#abort.abort()
  }

  /** Begins, now that Postgres has granted the claim. */
  begin(claim: Claim, nowMs: number): void {
    this.claim = claim
    this.claimedAtMs = nowMs
    this.heardAtMs = nowMs
  }

  /** Notes the progress; true when there are new blocks. */
  progressed(blocks: number, bytes: number, nowMs: number): boolean {
    if (blocks === this.blocks) return false
    if (this.blocks === 0) this.spanStart = { atMs: nowMs, blocks, bytes }
    this.blocks = blocks
    this.bytes = bytes
    this.heardAtMs = nowMs
    return true
  }

  /** Stops Kubo at once; only the first reason counts. An unpin cannot be undone half-way, so only a shutdown stops it. */
  stop(why: Stop): void {
    if (this.#stop !== null || this.#ended) return
    if (this.claim?.work === 'unpin' && why !== 'shutdown') return
    this.#stop = why
    this.#abort.abort()
  }

  /** Why the attempt must stop now, judged by the clock and its progress; null when it may continue. */
  overdue(limits: AttemptLimits, nowMs: number): 'stalled' | 'slow' | 'aged' | null {
    if (this.claim === null || this.#ended || this.claim.work === 'unpin') return null
    if (nowMs - this.heardAtMs >= limits.stallTimeoutMs) return 'stalled'
    if (this.#isSlow(limits.minRateBytes, nowMs)) return 'slow'
    return nowMs >= this.#deadlineMs(this.claim, limits) ? 'aged' : null
  }

  /** Begins the next span at the end of one that was fast enough. */
  #isSlow(minRateBytes: number, nowMs: number): boolean {
    const { atMs, blocks, bytes } = this.spanStart
    if (nowMs - atMs < rateSpanMs) return false
    const worth = Math.max(this.bytes - bytes, (this.blocks - blocks) * blockWorth)
    if (worth < (minRateBytes * (nowMs - atMs)) / 1_000) return true
    this.spanStart = { atMs: nowMs, blocks: this.blocks, bytes: this.bytes }
    return false
  }

  /**
   * However old the pin is, its first attempt has the full stall timeout and later ones have up to 2 s, so that none ends before it has
   * begun.
   */
  #deadlineMs(claim: Claim, limits: AttemptLimits): number {
    const leastMs = claim.attempt <= 1 ? limits.stallTimeoutMs : Math.min(limits.stallTimeoutMs, 2_000)
    return this.claimedAtMs + Math.max(limits.maxAgeMs - claim.ageMs, leastMs)
  }
}
