import { backoffMs } from '../core/backoff.ts'
import type { BackoffRange } from '../core/backoff.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import type { PinErrorCode } from '../core/pin.ts'
import type { Claim, Job, Outcome } from '../core/placement.ts'
import type { Ipfs } from '../core/ports.ts'
import type { Dialler } from './dialler.ts'

/** When an attempt is given up. */
export interface AttemptLimits {
  /** No new block for so long. */
  stallTimeoutMs: number
  /** The pin was asked for so long ago. */
  maxAgeMs: number
  backoff: BackoffRange
}

/**
 * Why an attempt under way is told to stop. `intent`: another generation is wanted by now. `shutdown`: this process ends.
 * `stalled`: no new block for too long. `crowded`: others need its place. `aged`: `pin.maxAge` passed.
 */
export type Stop = 'intent' | 'shutdown' | 'stalled' | 'crowded' | 'aged'

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
  /** The blocks that Postgres knows of; -1 until it heard of this attempt at all. */
  reportedBlocks = -1
  /** A newer job for the same CID: looked at when this one's finish is written. */
  next: Job | null = null
  /** Somebody else asked for the same: there may be more origins by now. */
  woken = false
  /** Origins dialled for it, and how many of them could not be reached. */
  readonly dialled = new Set<string>()
  unreachable = 0
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
    if (this.dialled.size > 0) this.#abort.abort()
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

  /** Why it must stop now, judged by the clock alone. */
  overdue(limits: AttemptLimits, nowMs: number): 'stalled' | 'aged' | null {
    if (this.claim === null || this.#ended || this.claim.work === 'unpin') return null
    if (nowMs - this.heardAtMs >= limits.stallTimeoutMs) return 'stalled'
    return nowMs >= this.#deadlineMs(this.claim, limits) ? 'aged' : null
  }

  /** However old: the first attempt of all has its full time, later ones a moment, so that none ends before it began. */
  #deadlineMs(claim: Claim, limits: AttemptLimits): number {
    const leastMs = claim.attempt <= 1 ? limits.stallTimeoutMs : Math.min(limits.stallTimeoutMs, 2_000)
    return this.claimedAtMs + Math.max(limits.maxAgeMs - claim.ageMs, leastMs)
  }
}

/** What an attempt needs to be carried out. */
export interface Means {
  ipfs: Ipfs
  dialler: Dialler
  limits: AttemptLimits
  now: () => number
  random: () => number
  /** A new block arrived. */
  onBlock: (attempt: Attempt) => void
  /** Kubo, not the content, was at fault. */
  onKuboDown: (error: IpfsError) => void
}

/** Does in Kubo what the claim says. Never rejects. */
export async function carryOut(attempt: Attempt, claim: Claim, means: Means): Promise<Outcome> {
  try {
    return claim.work === 'pin' ? await pin(attempt, claim, means) : await unpin(attempt, claim, means)
  } catch (error) {
    return outcomeOf(error, attempt, claim, means)
  } finally {
    attempt.end()
  }
}

async function pin(attempt: Attempt, claim: Claim, means: Means): Promise<Outcome> {
  const { ipfs, dialler } = means
  attempt.signal.throwIfAborted()
  dialler.dial(attempt, claim)
  const { blocks, bytes, foreignPin } = await ipfs.pin(claim.cid, {
    signal: attempt.signal,
    onProgress(progress) {
      if (attempt.progressed(progress.blocks, progress.bytes, means.now())) means.onBlock(attempt)
    },
  })
  if (claim.verify && (await ipfs.pinned(claim.cid, attempt.signal)) === null) {
    throw new IpfsError('kubo_error', 'Kubo said that the pin stands, but does not list it')
  }
  return { kind: 'pinned', blocks, bytes, foreignPin }
}

async function unpin(attempt: Attempt, claim: Claim, { ipfs }: Means): Promise<Outcome> {
  attempt.signal.throwIfAborted()
  // Absent is what was wanted, and a foreign pin is its owner's to remove.
  await ipfs.unpin(claim.cid, attempt.signal)
  return { kind: 'unpinned' }
}

function outcomeOf(error: unknown, attempt: Attempt, claim: Claim, means: Means): Outcome {
  switch (attempt.stopped) {
    case 'intent':
    case 'shutdown':
      return { kind: 'released' }
    case 'stalled':
    case 'crowded':
      return again(attempt, claim, means, silence(attempt), silenceText(attempt, means))
    case 'aged':
      return { kind: 'failed', errorCode: silence(attempt), error: silenceText(attempt, means) }
    case null:
      break
    default:
      return attempt.stopped satisfies never
  }
  if (!(error instanceof IpfsError)) return again(attempt, claim, means, 'kubo_error', String(error))
  if (error.code === 'kubo_down') {
    means.onKuboDown(error)
    return { kind: 'released' }
  }
  // An unpin is never given up: its content would stay for ever.
  if (error.permanent && claim.work === 'pin') {
    return { kind: 'failed', errorCode: error.code, error: shown(error.message) }
  }
  return again(attempt, claim, means, error.code, error.message)
}

/** Another attempt after a while, unless the pin is too old for one. */
function again(
  attempt: Attempt,
  claim: Claim,
  { limits, now, random }: Means,
  errorCode: PinErrorCode,
  text: string,
): Outcome {
  const error = shown(text)
  const delayMs = backoffMs(claim.attempt, limits.backoff, random())
  if (claim.work === 'unpin') return { kind: 'retry', errorCode, error, delayMs }
  const leftMs = limits.maxAgeMs - claim.ageMs - (now() - attempt.claimedAtMs)
  if (leftMs <= 0) return { kind: 'failed', errorCode, error }
  // The last attempt comes at the age limit, not a backoff later, so that the verdict is in time.
  return { kind: 'retry', errorCode, error, delayMs: Math.min(delayMs, Math.ceil(leftMs)) }
}

function silence(attempt: Attempt): PinErrorCode {
  return attempt.blocks === 0 ? 'not_found_in_time' : 'stalled'
}

function silenceText(attempt: Attempt, { now }: Means): string {
  const { dialled, unreachable } = attempt
  const origins = unreachable === 0 ? '' : `; ${unreachable} of ${dialled.size} origins could not be reached`
  if (attempt.blocks === 0) {
    return `no block was found within ${seconds(now() - attempt.claimedAtMs)} s${origins}`
  }
  const since = seconds(now() - attempt.heardAtMs)
  return `not complete: ${attempt.blocks} blocks came, the last one ${since} s ago${origins}`
}

function seconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000))
}

/** Fit for a text column and for the pin's owner: U+0000 is refused by Postgres, and nobody reads pages. */
function shown(text: string): string {
  return text.replaceAll('\0', '').slice(0, 500)
}
