import { gather } from '../core/gather.ts'
import {
  furthest,
  isMarked,
  stageOf,
  whyOlder,
  withPinned,
  withoutPinned,
  type PinnedUnder,
  type Remembered,
  type RestoreStage,
  type RestoreState,
  type Shown,
} from '../core/marks.ts'
import type { Degradation, NodeIdentity } from '../core/node.ts'
import type { Finish } from '../core/placement.ts'
import type { Log, PlacementStore, RestoreGuard } from '../core/ports.ts'
import type { MarksStore } from '../store/marks.ts'

/** This node's knowledge of whether its database went back in time. */
export interface RestoreWatch extends RestoreGuard {
  /** True while nothing may be removed; as of the last look, from memory. */
  restored(): boolean
  /** The same, asked as `state` is. */
  isRestored(): Promise<boolean>
  /** Set while nothing may be removed; otherwise null. */
  trouble(): Degradation | null
  /**
   * Looks, calls `write`, which has to commit something, and then remembers what the look showed: Postgres may lose numbers that it showed
   * before its last commit.
   */
  around(write: () => Promise<void>): Promise<void>
  /** The same placements. The watch remembers the generations that pass through. */
  watching(placements: PlacementStore): PlacementStore
  /** Saves what this node remembers. */
  save(): Promise<void>
}

export interface RestoreWatchParts {
  store: MarksStore
  node: NodeIdentity & { name: string }
  /** What the node remembers from its last start; null when it remembers nothing. */
  remembered: Remembered | null
  write: (remembered: Remembered) => Promise<void>
  /** Called when the database turns out to be restored, and when a decision comes. */
  onChange: () => void
  log: Log
}

/** What a node remembers is saved in one of this many rounds, which is every ten seconds, if it changed. A killed node forgets the rest. */
const saveEvery = 5
/**
 * For this many rounds, two minutes, a node does not decide by itself that there is nothing to decide: an attempt at a placement that
 * Postgres has lost may go on until its claim cannot be extended.
 */
const unsureRounds = 60
/** Looks that wait for one answer. */
const together = 10_000
const undecided =
  'this node removes nothing from its Kubo until an operator decides (anchorage admin reconcile)'
/** So many nodes are named. */
const namesMax = 5

function wentBack(why: string): string {
  return `the database went back in time: ${why}`
}

/**
 * Compares the database with what this node remembers of it. When the database shows less, it went back in time by other means than
 * `anchorage restore`: a failover that lost commits, a snapshot, a dump. The first node that notices marks it as restored, so that all
 * nodes know, and moves its numbers beyond those that were given out before. From then on this is a restore as any other.
 *
 * A look that ends before Postgres went back says nothing about later, so `isRestored` is asked after each claim, and not before. Looking
 * twice changes nothing more.
 */
export function restoreWatch(parts: RestoreWatchParts): RestoreWatch {
  return new Watch(parts)
}

class Watch implements RestoreWatch {
  readonly #parts: RestoreWatchParts
  readonly #look: (key: 'all', asked: null) => Promise<RestoreState>
  #remembered: Remembered | null
  #why: string | null = null
  #shown: Shown | null = null
  /** The node knew nothing of the cluster when it started, and the database was restored before that. */
  #isNew = false
  #saved = ''
  #unsaved = false
  #round = 0
  #restoredSince = 0

  constructor(parts: RestoreWatchParts) {
    this.#parts = parts
    this.#remembered = parts.remembered && { ...parts.remembered, incarnation: parts.node.incarnation }
    this.#look = gather(
      async (_key, asked: null[]) => {
        const shown = await this.#lookNow()
        const state = { restoreId: shown.restoreId, stage: stageOf(shown) }
        return asked.map(() => state)
      },
      { max: together },
    )
  }

  restored(): boolean {
    return this.#stage() !== 'done'
  }

  async isRestored(): Promise<boolean> {
    return (await this.state()).stage !== 'done'
  }

  state(): Promise<RestoreState> {
    return this.#look('all', null)
  }

  trouble(): Degradation | null {
    if (!this.restored()) return null
    const what = this.#why === null ? 'the database was restored' : wentBack(this.#why)
    return { what: 'history', reason: `${what}; ${this.#waitsFor()}` }
  }

  async follow(empty: boolean): Promise<boolean> {
    const { store, node, log } = this.#parts
    const restoreId = this.#shown?.restoreId ?? null
    const isUnsure = this.#round - this.#restoredSince < unsureRounds
    if (restoreId === null || (isUnsure && !(empty && this.#isNew))) return false
    log.info({ restoreId }, 'the restored database agrees with this Kubo; this node follows it again')
    await store.follow(node, restoreId)
    return (await this.state()).stage !== 'undecided'
  }

  async compared(restoreId: string): Promise<void> {
    await this.#parts.store.compared(this.#parts.node, restoreId)
  }

  async around(write: () => Promise<void>): Promise<void> {
    await this.isRestored()
    const shown = this.#shown
    await write()
    if (shown !== null) this.#remember((now) => furthest(now, shown))
    if (this.#round++ % saveEvery === 0) await this.save()
  }

  watching(placements: PlacementStore): PlacementStore {
    return {
      ...placements,
      claim: async (node, jobs, claimMs) => {
        const claims = await placements.claim(node, jobs, claimMs)
        const generation = Math.max(0, ...claims.map((claim) => claim.generation))
        this.#remember((now) => furthest(now, { ...now, generation }))
        return claims
      },
      finish: async (node, finishes) => {
        // before the placements are deleted, so that a look meanwhile does not miss them
        this.#remember((now) =>
          withoutPinned(now, new Set(ended(finishes, 'unpinned').map(({ cid }) => cid))),
        )
        const woken = await placements.finish(node, finishes)
        this.#remember((now) => withPinned(now, ended(finishes, 'pinned')))
        return woken
      },
    }
  }

  async save(): Promise<void> {
    if (this.#remembered === null) return
    const text = JSON.stringify(this.#remembered)
    if (text === this.#saved) return
    try {
      await this.#parts.write(this.#remembered)
      this.#saved = text
      this.#unsaved = false
    } catch (err) {
      if (this.#unsaved) return
      this.#unsaved = true
      this.#parts.log.warn(
        { err },
        'this node cannot save what it has seen of the database, so it may not notice after a restart that the database ' +
          'went back in time; make data.dir writable',
      )
    }
  }

  #stage(): RestoreStage {
    return this.#shown === null ? 'done' : stageOf(this.#shown)
  }

  #waitsFor(): string {
    if (this.#stage() === 'undecided') return undecided
    if (this.#stage() === 'comparing') return 'this node compares its Kubo with it before it removes anything'
    const names = this.#shown?.othersUncompared ?? []
    const more = names.length > namesMax ? ` and ${names.length - namesMax} more` : ''
    return (
      `no node removes anything until ${names.slice(0, namesMax).join(', ')}${more} follow it too ` +
      '(anchorage admin reconcile; for a node that is gone: anchorage admin forget)'
    )
  }

  async #lookNow(): Promise<Shown> {
    const { store, node, log } = this.#parts
    let shown = await store.read(node, this.#remembered?.pinned ?? [])
    const remembered = (this.#remembered ??= this.#from(shown))
    const why = whyOlder(remembered, shown)
    const numbersFell = shown.generation < remembered.generation || shown.epoch < remembered.epoch
    if (why !== null && (numbersFell || !isMarked(remembered, shown))) {
      await store.markRestored(node, remembered, why)
      log.error({ shown, remembered }, `${wentBack(why)}; ${undecided}`)
      shown = await store.read(node, remembered.pinned)
    }
    const was = this.#stage()
    if (this.#shown === null) this.#isNew = this.#parts.remembered === null && !shown.confirmed
    this.#shown = shown
    this.#why = why ?? this.#why
    if (shown.confirmed && isMarked(remembered, shown)) await this.#accept(shown)
    const is = this.#stage()
    if (was === is) return shown
    if (is === 'undecided') this.#restoredSince = this.#round
    if (is === 'done') this.#why = null
    this.#parts.onChange()
    return shown
  }

  /** An operator has decided: from here on the node compares with the database as it is now. */
  async #accept(shown: Shown): Promise<void> {
    this.#remembered = this.#from(shown)
    this.#parts.log.info(
      { restoreId: shown.restoreId },
      'this node follows the restored database from now on',
    )
    await this.save()
  }

  /**
   * What a node remembers that has seen only this. A restore that waits for a decision is not remembered, so that the node still notices
   * when the decision comes.
   */
  #from({ restoreId, generation, epoch, confirmed }: Shown): Remembered {
    const { incarnation } = this.#parts.node
    return { restoreId: confirmed ? restoreId : null, generation, epoch, incarnation, pinned: [] }
  }

  #remember(change: (remembered: Remembered) => Remembered): void {
    if (this.#remembered !== null) this.#remembered = change(this.#remembered)
  }
}

function ended(finishes: Finish[], kind: 'pinned' | 'unpinned'): PinnedUnder[] {
  return finishes
    .filter(({ outcome }) => outcome.kind === kind)
    .map(({ cid, generation }) => ({ cid, generation }))
}
