import type { NodeIdentity } from '../core/node.ts'
import type { GarbageStore, Ipfs, Log, SteadyClock } from '../core/ports.ts'
import type { NodeWorker, Report } from './driver.ts'
import type { Intake } from './intake.ts'

const everyMs = 15_000
/** Wait up to this long for attempts under way; after that, leave them running and try again later … */
const quietMs = 60_000
/**
 * … until this node has been above its mark for this long. Then running fetches are handed back, and garbage is collected although
 * half-fetched content waits. So a collection begins no later than patienceMs + pauseMs + 2 quietMs + 2 everyMs = 22.5 min after the mark
 * was passed, apart from the turns of other nodes, unpins that do not end, and content that lost its pin. Only slow content loses blocks by this: on a full node, large
 * content that grows is stopped long before (`outgrew`), and small content that takes this long comes at less than 16 MiB in 15 min.
 */
const patienceMs = 900_000
const lookEveryMs = 100
/** The cluster's turn is taken for this long at a time, and renewed every third of it. */
const turnMs = 30_000
/** The shortest pause after a collection, or after one that could not begin because attempts took too long. */
const pauseMs = 300_000

/** The dependencies of the garbage collector. */
export interface GarbageParts {
  identity: NodeIdentity
  store: GarbageStore
  /** True while the database is restored and no operator has decided: then no garbage is collected. */
  isRestored: () => Promise<boolean>
  ipfs: Pick<Ipfs, 'collectGarbage' | 'repoStat'>
  /** Keeps this node's pin worker from starting attempts. */
  intake: Pick<Intake, 'hold'>
  /** How many attempts of the pin worker are under way. */
  underWay: () => number
  /** Makes the pin worker hand back its running fetches. */
  release: () => void
  /** Queues wanted content again that has no pin in Kubo; returns how many there are (`missingPins` of the reconciler). */
  requeueMissing: (signal: AbortSignal) => Promise<number>
  /** The share of the capacity, 0 to 1, above which garbage is collected. */
  highWater: number
  clock: SteadyClock
  log: Log
}

/**
 * Makes Kubo remove blocks that no pin holds, once its repository is above the high-water mark. One node of the cluster does so at a time,
 * because a collection holds up pins.
 *
 * To Kubo, the blocks of an incomplete pin are garbage. So the collector stops new attempts, waits until none is under way, and does not
 * begin while half-fetched content waits for its next attempt; all this for a bounded time. Wanted content may also have lost its pin,
 * because somebody removed the pin by hand. So the collector compares Postgres with Kubo right before it begins. Content without a pin is
 * pinned first, and the collector tries again. It asks Kubo how full it is, so running it twice collects once. A crash in the middle leaves
 * a turn that expires by itself. Nothing is collected on a restored database.
 */
export function collectGarbage(parts: GarbageParts): NodeWorker {
  const collector = new Collector(parts)
  return {
    name: 'garbage',
    everyMs,
    firstAfterMs: everyMs,
    leaderOnly: false,
    run: ({ signal }) => collector.run(signal),
  }
}

class Collector {
  readonly #parts: GarbageParts
  #notBeforeMs = -Infinity
  /** Since when this node is above its mark without a collection; null otherwise. */
  #fullSinceMs: number | null = null

  constructor(parts: GarbageParts) {
    this.#parts = parts
  }

  async run(signal: AbortSignal): Promise<Report> {
    const { identity, store, clock } = this.#parts
    const { usedBytes, full } = await this.#room(signal)
    this.#fullSinceMs = full ? (this.#fullSinceMs ?? clock.steadyMs()) : null
    if (!full || clock.steadyMs() < this.#notBeforeMs) return { full, usedBytes }
    const waits = await this.#waits()
    if (waits !== null) return { full, usedBytes, ...waits }
    if (!(await store.takeTurn(identity, turnMs))) return { full, usedBytes, anothersTurn: true }
    try {
      return { full, usedBytes, ...(await this.#quietly(signal)) }
    } finally {
      await store.endTurn(identity)
    }
  }

  async #room(signal: AbortSignal): Promise<{ usedBytes: number; full: boolean }> {
    const { usedBytes, capacityBytes } = await this.#parts.ipfs.repoStat(signal)
    return { usedBytes, full: usedBytes > capacityBytes * this.#parts.highWater }
  }

  async #quietly(signal: AbortSignal): Promise<Report> {
    const { intake, clock, underWay } = this.#parts
    using _hold = intake.hold()
    if (!(await this.#isQuiet(signal)) && !(await this.#isQuietened(signal))) {
      this.#notBeforeMs = clock.steadyMs() + pauseMs
      return { busy: underWay() }
    }
    // An attempt that ended just now may have left half-fetched content.
    const waits = await this.#waits()
    if (waits !== null) return waits
    // Awaited here, so that the hold lasts until the collection is over.
    return await this.#keepingTurn(
      signal,
      async () => (await this.#lostPins(signal)) ?? this.#collect(signal),
    )
  }

  /**
   * Has content that lost its pin queued again, and reports it; null when there is none. The content waits as half-fetched content does,
   * and this node's patience begins again, because all of the content may be here.
   */
  async #lostPins(signal: AbortSignal): Promise<Report | null> {
    const { requeueMissing, clock, log } = this.#parts
    const missing = await requeueMissing(signal)
    if (missing === 0) return null
    this.#fullSinceMs = clock.steadyMs()
    log.warn({ missing }, 'wanted content has no pin in Kubo: it is pinned again before garbage is collected')
    return { missing }
  }

  /** Waits until nothing is under way; false when that takes too long or another node has the turn. */
  async #isQuiet(signal: AbortSignal): Promise<boolean> {
    const { clock, store, identity, underWay } = this.#parts
    const startMs = clock.steadyMs()
    let keptMs = startMs
    while (underWay() > 0) {
      if (clock.steadyMs() - startMs >= quietMs) return false
      await clock.sleep(lookEveryMs, signal)
      if (clock.steadyMs() - keptMs < turnMs / 3) continue
      if (!(await store.takeTurn(identity, turnMs))) return false
      keptMs = clock.steadyMs()
    }
    return true
  }

  /**
   * Once this node's patience is over, makes running fetches hand back and waits for that. False when it is not over, when another node has
   * the turn, or when handing back takes too long.
   */
  async #isQuietened(signal: AbortSignal): Promise<boolean> {
    const { store, identity, underWay, release, log } = this.#parts
    if (!this.#isImpatient() || !(await store.takeTurn(identity, turnMs))) return false
    log.info({ underWay: underWay() }, 'pins under way are handed back, so that garbage can be collected')
    release()
    return this.#isQuiet(signal)
  }

  #isImpatient(): boolean {
    return this.#fullSinceMs !== null && this.#parts.clock.steadyMs() - this.#fullSinceMs >= patienceMs
  }

  /** Why no collection may begin: the database is restored, or half-fetched content waits here and this node still has patience. */
  async #waits(): Promise<Report | null> {
    const { store, identity, isRestored } = this.#parts
    if (await isRestored()) return { restored: true }
    const halfFetched = !this.#isImpatient() && (await store.hasHalfFetched(identity))
    return halfFetched ? { halfFetched } : null
  }

  async #collect(signal: AbortSignal): Promise<Report> {
    const { ipfs, clock, log } = this.#parts
    const startMs = clock.steadyMs()
    const before = await this.#room(signal)
    try {
      const { removed, failed } = await ipfs.collectGarbage(signal)
      const { usedBytes, full } = await this.#room(signal)
      const freedBytes = before.usedBytes - usedBytes
      log.info({ removed, failed, freedBytes, tookMs: clock.steadyMs() - startMs }, 'garbage was collected')
      if (full)
        log.warn({ usedBytes }, 'this node is above its high-water mark even after garbage was collected')
      return { collected: true, removed, failed, freedBytes, usedBytes, full }
    } finally {
      this.#notBeforeMs = clock.steadyMs() + pauseMs
      this.#fullSinceMs = null
    }
  }

  async #keepingTurn(signal: AbortSignal, work: () => Promise<Report>): Promise<Report> {
    const done = new AbortController()
    const keeping = this.#keepTurn(AbortSignal.any([signal, done.signal]))
    try {
      return await work()
    } finally {
      done.abort()
      await keeping
    }
  }

  async #keepTurn(signal: AbortSignal): Promise<void> {
    const { clock, store, identity } = this.#parts
    while (!signal.aborted) {
      await clock.sleep(turnMs / 3, signal).catch(() => undefined)
      // If the turn is lost, another node may collect too: that slows pins down, but does no harm.
      if (!signal.aborted) await store.takeTurn(identity, turnMs).catch(() => undefined)
    }
  }
}
