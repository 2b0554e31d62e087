import type { Clock, GarbageStore, Ipfs, Log, NodeIdentity } from '../core/ports.ts'
import type { NodeWorker, Report } from './driver.ts'
import type { Intake } from './intake.ts'

const everyMs = 15_000
/** What is under way is waited for so long; what takes longer is let go on, and waited for again later … */
const quietMs = 60_000
/**
 * … until this node has been above its mark for so long. Then what is still being fetched is handed back, and garbage is collected beside what
 * waits half fetched. So no later than patienceMs + pauseMs + 2 quietMs + 2 everyMs = 22.5 min after the mark was passed a collection begins,
 * but for the turns of other nodes and unpins that do not end. Whoever loses blocks by that was slow: what is large and grows is stopped
 * long before on a node that is full (`outgrew`), and what is small and takes this long comes at less than 16 MiB in 15 min.
 */
const patienceMs = 900_000
const lookEveryMs = 100
/** The cluster's turn is taken for so long at a time, and kept in every third of it. */
const turnMs = 30_000
/** After a collection, or after one that could not begin because pins took too long: the next not before. */
const pauseMs = 300_000

/** What collecting garbage is made of. */
export interface GarbageParts {
  identity: NodeIdentity
  store: GarbageStore
  ipfs: Pick<Ipfs, 'collectGarbage' | 'repoStat'>
  /** Holds this node's pin worker. */
  intake: Pick<Intake, 'hold'>
  /** How many of its attempts are under way. */
  underWay: () => number
  /** Has it hand back what it fetches. */
  release: () => void
  /** The share of the capacity, 0 to 1, above which garbage is collected. */
  highWater: number
  clock: Clock
  log: Log
}

/**
 * Has Kubo remove what no pin holds, once its repository is above the high-water mark; one node of the cluster at a time, since a
 * collection holds up pins.
 *
 * Blocks of a pin that is not whole yet are garbage to Kubo. So it waits until nothing is under way here, takes on nothing
 * meanwhile, and does not begin while something half fetched waits to be tried again; for a bounded time. It asks Kubo how full it is, so running it
 * twice collects once. A crash in the middle leaves a turn that runs out by itself.
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
  /** Since when this node is above its mark with nothing collected. */
  #fullSinceMs: number | null = null

  constructor(parts: GarbageParts) {
    this.#parts = parts
  }

  async run(signal: AbortSignal): Promise<Report> {
    const { identity, store, clock } = this.#parts
    const { usedBytes, full } = await this.#room(signal)
    this.#fullSinceMs = full ? (this.#fullSinceMs ?? clock.now()) : null
    if (!full || clock.now() < this.#notBeforeMs) return { full, usedBytes }
    if (await this.#mustWait()) return { full, usedBytes, halfFetched: true }
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
      this.#notBeforeMs = clock.now() + pauseMs
      return { busy: underWay() }
    }
    // What ended just now may have been tried for the first time.
    if (await this.#mustWait()) return { halfFetched: true }
    // Awaited here: the hold lasts until this returns.
    return await this.#collect(signal)
  }

  /** Waits until nothing is under way; false when that takes too long. */
  async #isQuiet(signal: AbortSignal): Promise<boolean> {
    const { clock, store, identity, underWay } = this.#parts
    const startMs = clock.now()
    let keptMs = startMs
    while (underWay() > 0) {
      if (clock.now() - startMs >= quietMs) return false
      await clock.sleep(lookEveryMs, signal)
      if (clock.now() - keptMs < turnMs / 3) continue
      if (!(await store.takeTurn(identity, turnMs))) return false
      keptMs = clock.now()
    }
    return true
  }

  /** Has what is under way handed back, once patience is over, and waits for that; false when it is not over, or another has the turn. */
  async #isQuietened(signal: AbortSignal): Promise<boolean> {
    const { store, identity, underWay, release, log } = this.#parts
    if (!this.#isImpatient() || !(await store.takeTurn(identity, turnMs))) return false
    log.info(
      { underWay: underWay() },
      'pins under way are handed back: they kept garbage from being collected',
    )
    release()
    return this.#isQuiet(signal)
  }

  #isImpatient(): boolean {
    return this.#fullSinceMs !== null && this.#parts.clock.now() - this.#fullSinceMs >= patienceMs
  }

  /** For what waits half fetched. */
  async #mustWait(): Promise<boolean> {
    return !this.#isImpatient() && (await this.#parts.store.hasHalfFetched(this.#parts.identity))
  }

  async #collect(signal: AbortSignal): Promise<Report> {
    const { ipfs, clock, log } = this.#parts
    const startMs = clock.now()
    const before = await this.#room(signal)
    const done = new AbortController()
    const keeping = this.#keepTurn(AbortSignal.any([signal, done.signal]))
    try {
      const { removed, failed } = await ipfs.collectGarbage(signal)
      const { usedBytes, full } = await this.#room(signal)
      const freedBytes = before.usedBytes - usedBytes
      log.info({ removed, failed, freedBytes, tookMs: clock.now() - startMs }, 'garbage was collected')
      if (full)
        log.warn({ usedBytes }, 'this node is above its high-water mark still, with garbage collected')
      return { collected: true, removed, failed, freedBytes, usedBytes, full }
    } finally {
      this.#notBeforeMs = clock.now() + pauseMs
      this.#fullSinceMs = null
      done.abort()
      await keeping
    }
  }

  async #keepTurn(signal: AbortSignal): Promise<void> {
    const { clock, store, identity } = this.#parts
    while (!signal.aborted) {
      await clock.sleep(turnMs / 3, signal).catch(() => undefined)
      // Without it, another node may collect too: that slows pins down, and harms nothing.
      if (!signal.aborted) await store.takeTurn(identity, turnMs).catch(() => undefined)
    }
  }
}
