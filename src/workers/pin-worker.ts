import { gather } from '../core/gather.ts'
import type { Claim, Job, Outcome } from '../core/placement.ts'
import { Slots, slotLimits, type SlotCounts } from './slots.ts'
import { Attempt, type AttemptLimits } from './attempt.ts'
import { carryOut, type CarryOutParts } from './carry-out.ts'
import { Dialler } from './dialler.ts'
import { Extensions, claimMs } from './extensions.ts'
import { Feed } from './feed.ts'
import { Finishes } from './finishes.ts'
import { Hints } from './hints.ts'
import { mayTake, type Taking } from './intake.ts'
import { lastCopies } from './last-copies.ts'
import { Outages } from './outages.ts'
import type { Need } from './outages.ts'
import type { PinWorkerParts } from './pin-worker-parts.ts'
import { boundless, outgrew } from './room.ts'

/** Counts of what this worker has done since it was made, and of what it is doing. */
export interface PinWorkerStats extends SlotCounts, Record<Outcome['kind'], number> {
  finishing: number
  /** Jobs whose row said that there is nothing to do for them. */
  refused: number
  /** The servers that it waits for before it starts more work. */
  waitingFor: Need[]
  taking: Taking
}

/** This node's pin worker. */
export interface PinWorker {
  /** Works until `signal` aborts, then hands back what is under way. Call it once. */
  run(signal: AbortSignal): Promise<void>
  /** Queues jobs to look at soon. Jobs for which the queue has no room are left to the next read of due placements. */
  offer(jobs: readonly Job[]): void
  stats(): PinWorkerStats
  /** True while `cid` has an attempt under way: from before its claim until its outcome is written. */
  isBusy(cid: string): boolean
  /** For how many CIDs `isBusy` is true. */
  underWay(): number
  /**
   * Hands back running fetches without counting them as attempts. They are due again at once, so the caller must hold the intake meanwhile.
   */
  release(): void
}

/**
 * Makes this node's Kubo hold what Postgres says it should.
 *
 * It compares nothing itself. A job, from the bus or from Postgres, is only a reason to claim its placement: the row decides what is done,
 * and the outcome is written only for the generation that was claimed. So a late, repeated or old job costs one look at the row, and a lost
 * job is found by the next read. A second worker on the same node, or this one after a crash, is fenced off by its incarnation. There is
 * one write per CID at a time: a CID stays under way until its outcome is written, and a newer job for it stops the attempt and waits.
 */
export function pinWorker(parts: PinWorkerParts): PinWorker {
  return new Worker(parts)
}

/** How often slots are checked; every fourth time, claims and stalls are checked too. */
const tickMs = 250
const batchMax = 64
/**
 * While many attempts are under way, how long claims and outcomes are gathered before they share a call: many small calls cost Postgres,
 * which shares its machine with Kubo, more than they save in time. Claims hold slots meanwhile, outcomes do not.
 */
const claimPauseMs = 15
const finishPauseMs = 100
const crowd = 8
/** No more work is started while this many outcomes wait to be written. */
const finishingMax = 256
/** When the worker stops, attempts that still receive blocks may continue for `graceMs`. Then all have `handBackMs` to hand back. */
const graceMs = 2_000
const handBackMs = 5_000

class Worker implements PinWorker {
  readonly #parts: PinWorkerParts
  readonly #limits: AttemptLimits
  readonly #carryOutParts: CarryOutParts
  readonly #slots: Slots
  readonly #feed: Feed
  readonly #hints: Hints
  readonly #finishes: Finishes
  readonly #extensions: Extensions
  readonly #outages: Outages
  readonly #claim: (key: 'all', job: Job) => Promise<Claim | null>
  readonly #under = new Map<string, Attempt>()
  readonly #done = { pinned: 0, unpinned: 0, kept: 0, retry: 0, failed: 0, released: 0, refused: 0 }
  readonly #end = new AbortController()
  #finishing = 0
  #running = false
  #takes: Taking = 'everything'
  #onQuiet: (() => void) | null = null

  constructor(parts: PinWorkerParts) {
    const { identity, placements, ipfs, clock, log, options, random = Math.random } = parts
    const backoff = { minMs: options.backoffMinMs, maxMs: options.backoffMaxMs }
    const waits = { clock, log, random, signal: this.#end.signal }
    this.#parts = parts
    this.#limits = { ...options, backoff }
    this.#slots = new Slots(slotLimits(options.concurrency))
    this.#feed = new Feed(identity, placements, {
      pollIntervalMs: options.pollIntervalMs,
      lowWater: 2 * options.concurrency,
    })
    this.#hints = new Hints({ ...parts, random, offer: (job) => this.#offerAndGo(job) })
    this.#extensions = new Extensions(identity, placements)
    this.#finishes = new Finishes({
      identity,
      placements,
      ...waits,
      pause: (waiting) => this.#pause(waiting, finishPauseMs),
      onWoken: (jobs) => this.offer(jobs),
    })
    this.#outages = new Outages(
      { kubo: (signal) => ipfs.identity(signal), postgres: () => placements.dueUnpins(identity, 1) },
      { ...waits, onOver: () => this.#goOn() },
    )
    this.#claim = gather((_key, jobs) => this.#claimAll(jobs), {
      max: batchMax,
      pause: (waiting) => this.#pause(waiting, claimPauseMs),
    })
    this.#carryOutParts = {
      ipfs,
      dialler: new Dialler({ ipfs, clock, stallTimeoutMs: options.stallTimeoutMs }),
      limits: this.#limits,
      room: parts.room ?? boundless,
      steadyMs: () => clock.steadyMs(),
      isRestored: parts.isRestored ?? (async () => false),
      isLastCopy: lastCopies(identity, placements),
      random,
      onBlock: (attempt) => this.#slots.heard(attempt.job.cid, attempt.heardAtMs),
      onKuboDown: (error) => this.#outages.begin('kubo', error),
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#running = !signal.aborted
    signal.addEventListener('abort', () => (this.#running = false), { once: true })
    this.#pump()
    await Promise.all([this.#ticks(signal), this.#hints.consume(signal)])
    await this.#handBack()
  }

  offer(jobs: readonly Job[]): void {
    for (const job of jobs) this.#offer(job)
    this.#pump()
  }

  stats(): PinWorkerStats {
    const waitingFor = this.#outages.away()
    if (this.#finishes.stuck && !waitingFor.includes('postgres')) waitingFor.push('postgres')
    return {
      ...this.#slots.counts(),
      finishing: this.#finishing,
      ...this.#done,
      waitingFor,
      taking: this.#takes,
    }
  }

  isBusy(cid: string): boolean {
    return this.#under.has(cid)
  }

  underWay(): number {
    return this.#under.size
  }

  release(): void {
    for (const attempt of this.#under.values()) attempt.stop('garbage')
  }

  #offerAndGo(job: Job): boolean {
    const queued = this.#offer(job)
    if (queued) this.#pump()
    return queued
  }

  /** True when the job is queued now. */
  #offer(job: Job): boolean {
    if (!this.#running || !mayTake(this.#takes, job)) return false
    const attempt = this.#under.get(job.cid)
    if (attempt !== undefined) {
      this.#hintUnderWay(attempt, job)
      return false
    }
    const offered = this.#slots.offer(job)
    if (offered === 'full') this.#hints.looked(job.cid)
    return offered === 'queued'
  }

  #hintUnderWay(attempt: Attempt, job: Job): void {
    if (job.generation > attempt.job.generation) {
      if (attempt.next === null || attempt.next.generation < job.generation) attempt.next = job
      attempt.stop('intent')
    } else if (job.generation === attempt.job.generation) attempt.woken = true
  }

  /** Does not wait while only a few attempts are under way, or when the batch is half full. */
  async #pause(waiting: number, ms: number): Promise<void> {
    if (this.#under.size < crowd || waiting >= batchMax / 2) return
    await this.#parts.clock.sleep(ms, this.#end.signal).catch(() => undefined)
  }

  #goOn(): void {
    this.#feed.soon()
    this.#pump()
  }

  /** Starts the jobs that may start now. Cheap when there are none. */
  #pump(): void {
    if (!this.#running || this.#follow() === 'nothing') return
    if (this.#outages.any || this.#finishes.stuck || this.#finishing >= finishingMax) return
    for (const job of this.#slots.take(this.#most())) void this.#attempt(job)
    const nowMs = this.#parts.clock.steadyMs()
    if (this.#feed.wants(this.#slots.queued, nowMs)) void this.#fill(nowMs)
  }

  /**
   * Follows what the worker may start. While only unpins or only pins are allowed, queued work is dropped from memory, and what is allowed
   * comes again from Postgres, where all rows remain.
   */
  #follow(): Taking {
    const taking = this.#parts.taking?.() ?? 'everything'
    if (taking === this.#takes) return taking
    this.#takes = taking
    if (taking === 'everything' || taking === 'pins') this.#hints.open()
    if (taking === 'unpins') this.#hints.close()
    if (taking === 'unpins' || taking === 'pins')
      for (const cid of this.#slots.drop()) this.#hints.looked(cid)
    this.#feed.soon()
    return taking
  }

  /** Accepts come first: an accepted pin is safe and can wait, a client without an answer cannot. */
  #most(): number {
    const { hold, options } = this.#parts
    return hold?.() ? Math.ceil(options.concurrency / 16) : options.concurrency
  }

  async #fill(nowMs: number): Promise<void> {
    try {
      const retries = this.#slots.roomForRetries
      for (const job of await this.#feed.read(nowMs, this.#takes === 'unpins', retries)) {
        // A placement that is under way here is due only if its claim has run out meanwhile.
        if (this.#under.get(job.cid)?.job.generation !== job.generation) this.#offer(job)
      }
      this.#pump()
    } catch (error) {
      this.#outages.begin('postgres', error)
    }
  }

  async #attempt(job: Job): Promise<void> {
    const { cid } = job
    const attempt = new Attempt(job, this.#parts.clock.steadyMs())
    this.#under.set(cid, attempt)
    const claim = await this.#claimed(job)
    this.#hints.looked(cid)
    if (claim !== null) await this.#parts.trace.attempt(claim, () => this.#carryOut(attempt, claim))
    else this.#slots.end(cid)
    this.#under.delete(cid)
    if (attempt.next !== null) this.#offer(attempt.next)
    if (this.#under.size === 0) this.#onQuiet?.()
    this.#pump()
  }

  async #carryOut(attempt: Attempt, claim: Claim): Promise<Outcome> {
    const { cid, generation } = claim
    const nowMs = this.#parts.clock.steadyMs()
    attempt.begin(claim, nowMs)
    this.#slots.heard(cid, nowMs)
    this.#feed.granted()
    const outcome = await carryOut(attempt, claim, this.#carryOutParts)
    this.#parts.onEnd?.(claim, outcome, this.#parts.clock.steadyMs() - nowMs)
    // The slot is free at once: writing the outcome needs none.
    this.#slots.end(cid)
    this.#finishing++
    this.#pump()
    const write = () => this.#finishes.write({ cid, generation, outcome })
    if (await this.#parts.trace.outcome(write)) this.#done[outcome.kind]++
    this.#finishing--
    if (outcome.kind === 'failed') this.#parts.log.debug({ cid, generation, outcome }, 'a pin failed')
    return outcome
  }

  async #claimed(job: Job): Promise<Claim | null> {
    try {
      const claim = await this.#claim('all', job)
      if (claim === null) this.#done.refused++
      return claim
    } catch (error) {
      this.#outages.begin('postgres', error)
      return null
    }
  }

  async #claimAll(jobs: Job[]): Promise<(Claim | null)[]> {
    const { placements, identity } = this.#parts
    const claims = await placements.claim(identity, jobs, claimMs)
    const byCid = new Map(claims.map((claim) => [claim.cid, claim]))
    return jobs.map((job) => byCid.get(job.cid) ?? null)
  }

  async #ticks(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    for (let count = 1; !signal.aborted; count++) {
      try {
        await clock.sleep(tickMs, signal)
      } catch {
        return
      }
      const nowMs = clock.steadyMs()
      for (const cid of this.#slots.tick(nowMs)) this.#under.get(cid)?.stop('crowded')
      if (count % 4 === 0) this.#look(nowMs)
      this.#pump()
    }
  }

  /** Stops attempts that stall, and extends the claims of the others. */
  #look(nowMs: number): void {
    for (const attempt of this.#under.values()) {
      const why = outgrew(attempt, this.#carryOutParts.room) ? 'full' : attempt.overdue(this.#limits, nowMs)
      if (why !== null) attempt.stop(why)
      else if (attempt.woken && attempt.claim?.work === 'pin') void this.#moreOrigins(attempt)
    }
    void this.#extend(nowMs)
  }

  /** Another pin wants the content that is being fetched, and may name more origins. */
  async #moreOrigins(attempt: Attempt): Promise<void> {
    attempt.woken = false
    try {
      const origins = await this.#parts.placements.origins(attempt.job.cid)
      if (!attempt.ended) this.#carryOutParts.dialler.origins(attempt, origins)
    } catch (error) {
      this.#outages.begin('postgres', error)
    }
  }

  async #extend(nowMs: number): Promise<void> {
    try {
      for (const attempt of await this.#extensions.tick(this.#under.values(), nowMs)) {
        attempt.stop('intent')
        this.#feed.soon()
      }
    } catch (error) {
      this.#outages.begin('postgres', error)
    }
  }

  async #handBack(): Promise<void> {
    const nowMs = this.#parts.clock.steadyMs()
    this.#hints.allLooked()
    for (const attempt of this.#under.values()) {
      if (nowMs - attempt.heardAtMs >= tickMs) attempt.stop('shutdown')
    }
    await this.#quiet(graceMs)
    for (const attempt of this.#under.values()) attempt.stop('shutdown')
    await this.#quiet(handBackMs)
    this.#end.abort()
  }

  /** Waits until nothing is under way, but no longer than `ms`. */
  async #quiet(ms: number): Promise<void> {
    if (this.#under.size === 0) return
    const waiting = new AbortController()
    this.#onQuiet = () => waiting.abort()
    await this.#parts.clock.sleep(ms, waiting.signal).catch(() => undefined)
  }
}
