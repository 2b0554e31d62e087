import { randomUUID } from 'node:crypto'
import { numberOf, type Epoch } from '../core/epoch.ts'
import type { NodeId } from '../core/ids.ts'
import type { EpochStore, Log } from '../core/ports.ts'
import { unlessAborted } from '../process/aborted.ts'
import type { NodeNatsLink } from './nats-link.ts'
import { natsLeaderKey, type Held, type LeaderKey } from './leader-key.ts'
import { explain } from './nats-error.ts'
import { steadyClock, type SteadyClock } from './steady-clock.ts'
import { fieldsOf } from './wire.ts'

export interface LeaseOptions {
  nodeId: NodeId
  /** How long a leader that went silent keeps others out; at least 1 s. */
  ttlMs: number
  clock?: SteadyClock
  epochs: EpochStore
  /** The leader's work. It must end when `signal` aborts: the lease was lost or is about to be released. */
  onLead: (epoch: Epoch, signal: AbortSignal) => Promise<void>
  /** Called after each try to renew the lease: whether it succeeded, and how long after the renewal was due the answer came. */
  onRenewal?: (ok: boolean, lateMs: number) => void
  log: Log
  /** In [0, 1): spreads the tries of several nodes. */
  random?: () => number
}

/**
 * Contends for leadership until `signal` aborts, and leads whenever it wins. Resolves after the work has ended and the lease was released.
 * For a moment two nodes may both believe that they lead; the epoch in Postgres tells them apart.
 */
export function runLease(options: LeaseOptions & { link: NodeNatsLink }, signal: AbortSignal): Promise<void> {
  return contend({ ...options, key: natsLeaderKey(options.link) }, signal)
}

/** `runLease` over any key. */
export async function contend(
  options: LeaseOptions & { key: LeaderKey },
  signal: AbortSignal,
): Promise<void> {
  const { clock = steadyClock, random = Math.random, ttlMs, key, log } = options
  const stillness = new Stillness(clock)
  let hurry = new AbortController()
  const off = key.onDropped(() => hurry.abort())
  try {
    while (!signal.aborted) {
      // Created before the key is read, so that a leader that steps down meanwhile is not missed.
      hurry = new AbortController()
      const led = await Term.win(options, clock, stillness, signal)
        .then((term) => term?.lead(signal) ?? 'not')
        .catch((error: unknown) => log.debug({ reason: explain(error) }, 'cannot contend for leadership'))
      // Wake at once when a leader steps down, unless that was this node: others go first, and failing work is not retried in a tight loop.
      const wake = led === 'ended' || led === 'failed' ? signal : AbortSignal.any([signal, hurry.signal])
      const pauseMs = (led === 'failed' ? ttlMs : Math.min(ttlMs / 6, 1_000)) * (0.75 + random() / 2)
      await clock.sleep(pauseMs, wake).catch(() => {})
    }
  } finally {
    off()
  }
}

/**
 * The times by which a lease of `ttlMs` is kept (ADR 38). This node counts its deadline from before a renewal was sent, the server from
 * after it arrived. So the margin between them need only cover the time in which work stops; Postgres fences work that takes longer.
 */
export function leaseTimes(ttlMs: number): LeaseTimes {
  const marginMs = Math.min(Math.max(ttlMs / 10, 200), 1_000)
  const everyMs = ttlMs / 5
  const againMs = ttlMs / 40
  const workMs = ttlMs - marginMs
  return { everyMs, againMs, workMs, stallMs: workMs - everyMs - 2 * againMs }
}

export interface LeaseTimes {
  /** From one renewal to the next. A renewal also waits this long for its answer. */
  everyMs: number
  /** From a renewal that failed to the next try. */
  againMs: number
  /** The work must stop when the last renewal that was answered is this old. */
  workMs: number
  /** The longest stall that never costs the lease: no answer from NATS, or no CPU time for this process. */
  stallMs: number
}

/**
 * Measures, by this node's own clock, how long a held key has not changed. Its holder renews it all the time, and has stopped its work by
 * its own deadline if it could not. So a key that has not changed for longer than its time to live is free. Usually the server has expired
 * it by then, but servers were seen to keep a message past its time (nats-server issues 3653 and 8505).
 */
class Stillness {
  readonly #clock: SteadyClock
  #revision = 0
  #sinceMs = 0

  constructor(clock: SteadyClock) {
    this.#clock = clock
  }

  look({ revision }: Held): number {
    const nowMs = this.#clock.steadyMs()
    if (revision !== this.#revision) this.#sinceMs = nowMs
    this.#revision = revision
    return nowMs - this.#sinceMs
  }
}

/**
 * A lease that has not been renewed for this long is free: 1.5 × its time to live, as its holder wrote it or as configured here, whichever
 * is longer. The extra half leaves the server time to expire it.
 */
function expiredMs(value: string, ownTtlMs: number): number {
  return 1.5 * Math.max(ownTtlMs, toldTtlMs(value))
}

function toldTtlMs(value: string): number {
  try {
    const { ttlMs } = fieldsOf(value)
    return typeof ttlMs === 'number' ? ttlMs : 0
  } catch {
    // A value that is not a lease is not renewed either.
    return 0
  }
}

/** A renewal, which is tried until it is answered. Times are ms of the lease's clock. */
interface Late {
  dueAtMs: number
  beganAtMs: number
  tries: number
}

/** One term of leadership, from winning the key to losing or releasing it. */
class Term {
  readonly #options: LeaseOptions & { key: LeaderKey }
  readonly #clock: SteadyClock
  /** The id of this term. It fences our writes, and shows that a stored value is ours when the answer to our renewal was lost. */
  readonly #token = randomUUID()
  readonly #lost = new AbortController()
  readonly #times: LeaseTimes
  /** The epoch before this term. */
  readonly #seen: Epoch
  #epoch: Epoch | null = null
  #revision = 0
  /** When the last renewal that was answered was sent. */
  #renewedAtMs = 0

  private constructor(options: LeaseOptions & { key: LeaderKey }, clock: SteadyClock, seen: Epoch) {
    this.#options = options
    this.#clock = clock
    this.#seen = seen
    this.#times = leaseTimes(options.ttlMs)
  }

  /**
   * Tries once to win the key; null when another node holds it. The present epoch is read first. So a node that cannot reach Postgres leaves
   * the key to others.
   */
  static async win(
    options: LeaseOptions & { key: LeaderKey },
    clock: SteadyClock,
    stillness: Stillness,
    signal: AbortSignal,
  ): Promise<Term | null> {
    const held = await options.key.read(leaseTimes(options.ttlMs).everyMs)
    if (held !== null && held.value !== null) {
      const stillMs = stillness.look(held)
      if (stillMs < expiredMs(held.value, options.ttlMs)) return null
      options.log.warn(
        { stillMs },
        'nats-server still has a lease that expired long ago; this node tries to take it',
      )
    }
    const seen = await unlessAborted(options.epochs.present(), signal)
    const term = new Term(options, clock, seen)
    return (await term.#write(held?.revision ?? 0)) ? term : null
  }

  /** Leads until the lease is lost, `signal` aborts or the work ends. Then releases the lease. */
  async lead(signal: AbortSignal): Promise<'ended' | 'failed'> {
    const { log, onLead } = this.#options
    const stop = AbortSignal.any([signal, this.#lost.signal])
    const over = new AbortController()
    const keeping = [this.#watchDeadline(over.signal)]
    try {
      const epoch = await this.#takeEpoch(stop)
      if (epoch === null) {
        log.warn(
          { seen: numberOf(this.#seen) },
          'another node has taken an epoch meanwhile; this node does not lead',
        )
        return 'ended'
      }
      // The lease is renewed until the work has really ended, even after it was told to end.
      keeping.push(this.#renew(over.signal))
      log.info({ epoch: numberOf(epoch) }, 'this node leads')
      await onLead(epoch, stop)
      return 'ended'
    } catch (error) {
      if (stop.aborted) return 'ended'
      log.error({ err: error }, "the leader's work failed; another node may lead now")
      return 'failed'
    } finally {
      over.abort()
      await Promise.all(keeping)
      await this.#giveUp()
    }
  }

  /**
   * Takes the epoch after the one that was read before the key was won; null when another term has taken an epoch since. The request is
   * sent only while the lease lasts. Postgres may carry it out late, when another node leads. Then it finds that node's epoch, and changes
   * nothing. Postgres may also be slow or unreachable. Then the lease ends meanwhile, and no work was done under it.
   */
  async #takeEpoch(stop: AbortSignal): Promise<Epoch | null> {
    if (this.#leftMs() <= 0) this.#lose('it ended before an epoch was taken')
    stop.throwIfAborted()
    this.#epoch = await unlessAborted(this.#options.epochs.take(this.#seen, this.#token), stop)
    if (this.#epoch === null) return null
    while (!(await this.#renewOnce())) await this.#clock.sleep(this.#times.againMs, stop)
    stop.throwIfAborted()
    return this.#epoch
  }

  async #watchDeadline(over: AbortSignal): Promise<void> {
    while (!over.aborted && !this.#lost.signal.aborted) {
      const leftMs = this.#leftMs()
      if (leftMs <= 0) return this.#lose('it could not be renewed in time')
      await this.#clock.sleep(leftMs, over).catch(() => {})
    }
  }

  #leftMs(): number {
    return this.#renewedAtMs + this.#times.workMs - this.#clock.steadyMs()
  }

  async #renew(over: AbortSignal): Promise<void> {
    const { everyMs, againMs } = this.#times
    const stop = AbortSignal.any([over, this.#lost.signal])
    for (let late: Late | null = null; ;) {
      const waitMs =
        late === null ? Math.max(this.#renewedAtMs + everyMs - this.#clock.steadyMs(), 0) : againMs
      await this.#clock.sleep(waitMs, stop).catch(() => {})
      if (stop.aborted) return
      late ??= { dueAtMs: this.#renewedAtMs + everyMs, beganAtMs: this.#clock.steadyMs(), tries: 0 }
      late.tries++
      const ok = await this.#renewOnce()
      this.#options.onRenewal?.(ok, this.#clock.steadyMs() - late.dueAtMs)
      if (!ok) continue
      this.#logIfLate(late)
      late = null
    }
  }

  /** Logs how close a late renewal came to the end of the lease, and whether this process or NATS was slow. */
  #logIfLate({ dueAtMs, beganAtMs, tries }: Late): void {
    const lateMs = Math.round(this.#clock.steadyMs() - dueAtMs)
    if (lateMs < this.#times.everyMs / 2) return
    const processMs = Math.round(beganAtMs - dueAtMs)
    const natsMs = lateMs - processMs
    const leftMs = Math.round(dueAtMs - this.#times.everyMs + this.#times.workMs - this.#clock.steadyMs())
    this.#options.log.warn(
      { epoch: this.#number(), lateMs, processMs, natsMs, tries, leftMs },
      'the lease was renewed late; at leftMs = 0 another node would lead',
    )
  }

  async #renewOnce(): Promise<boolean> {
    try {
      if (await this.#write(this.#revision)) return true
      const held = await this.#options.key.read(this.#times.everyMs)
      const ours = held !== null && held.value !== null && held.value.includes(this.#token)
      if (!ours) this.#lose('another node took it')
      else {
        // An earlier try was stored after all, and only its answer was lost.
        this.#revision = held.revision
        return await this.#write(this.#revision)
      }
    } catch (error) {
      this.#options.log.debug({ reason: explain(error) }, 'the lease was not renewed; trying again')
    }
    return false
  }

  /** Writes the key. True when it is ours for another `ttlMs`, counted from before the request was sent. */
  async #write(expected: number): Promise<boolean> {
    const { key, nodeId, ttlMs } = this.#options
    const sentAt = this.#clock.steadyMs()
    const value = JSON.stringify({ v: 1, nodeId, epoch: this.#number(), ttlMs, token: this.#token })
    const revision = await key.put(value, expected, ttlMs, this.#times.everyMs)
    if (revision === null) return false
    this.#revision = revision
    this.#renewedAtMs = sentAt
    return true
  }

  /** The number of the epoch: nodes of the version before read a number in the key. */
  #number(): number | null {
    return this.#epoch === null ? null : numberOf(this.#epoch)
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted) return
    this.#options.log.warn({ epoch: this.#number(), reason: why }, 'this node no longer leads')
    this.#lost.abort(new Error(`the lease was lost: ${why}`))
  }

  /** Releases the key, so that the next leader need not wait. It compares the revision, so it cannot take the key from another node. */
  async #giveUp(): Promise<void> {
    try {
      await this.#options.key.drop(this.#revision, 1_000)
    } catch (error) {
      this.#options.log.debug({ reason: explain(error) }, 'the lease was not released; it expires by itself')
    }
  }
}
