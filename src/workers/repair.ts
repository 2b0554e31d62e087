import type { Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Job } from '../core/placement.ts'
import { leaveAsSeen, planRepair } from '../core/plan-repair.ts'
import type { RepairPolicy } from '../core/plan-repair.ts'
import type { Bus, Log, RepairStore, SteadyClock } from '../core/ports.ts'
import type { ContentCopies, Repair } from '../core/repair.ts'
import { awayMs, nodeStanding } from '../core/node-standing.ts'
import { Absences } from './absences.ts'
import type { LeaderTurn, LeaderWorker, Report } from './driver.ts'
import { hint } from './send-hints.ts'
import { Pace } from './pace.ts'

const everyMs = 1_000
/** Contents read at a time … */
const page = 200
/** … and the most pages of unsettled contents, and of walks, in one run; the rest is left to the next. */
const pagesMax = 10
/** Repairs in one transaction, which locks their contents. */
const batch = 50
/** The most copies under way for each live node, and in all, because new pins wait beside them; and the most bytes of these copies. */
const copiesPerNode = 256
const copiesMax = 4_096
const bytesMax = 256 * 2 ** 30
/**
 * If no unsettled content could be settled, nothing is under way and no node changed, unsettled contents are looked through again only
 * after this long.
 */
const restMs = 5_000
/** Work that waits on a node which has been unable or silent for this long goes to others. */
const patienceMs = 2_000

/** The dependencies of `repair`. */
export interface RepairParts {
  store: RepairStore
  nodes: () => readonly Node[]
  bus: Pick<Bus, 'publishJobs'>
  policy: RepairPolicy
  /** How long this node has listened to the others without a gap, ms; and begins anew, when it was cut off. */
  listenedMs: () => number
  listenAgain: () => void
  /** How long accepts took lately, anywhere in the cluster, ms; null when there were none. */
  acceptMs: () => number | null
  /**
   * Called when copies were held back for the sake of accepts: run again in a moment, so that copies begin a few at a time and not all in
   * the next run.
   */
  soon?: () => void
  clock: Pick<SteadyClock, 'steadyMs'>
  log: Log
}

/**
 * Compares where the copies of contents are with where they should be, and adds and drops copies until the two agree.
 *
 * It looks at contents that were marked, at contents that wait on nodes which do not work, and walks over the contents of nodes that went
 * down, came back or drain. `planRepair` decides
 * about each content by itself. The store applies a few dozen repairs at a time under the leader's epoch, each only if the copies are still
 * as they were seen. So a run that is cut off anywhere, or made twice, or made by two leaders, adds and drops nothing twice. It begins as
 * many copies as may be under way. During maintenance the store refuses, and nothing is done.
 */
export function repair(parts: RepairParts): LeaderWorker {
  let repairer: Repairer | null = null
  return {
    name: 'repair',
    everyMs,
    leaderOnly: true,
    run(turn) {
      // Anything seen under another epoch is out of date.
      if (repairer?.epoch !== turn.epoch) repairer = new Repairer(parts, turn.epoch)
      return repairer.run(turn)
    },
  }
}

/** The limits that are left to a run, and what it has done. */
interface Tally {
  nodes: readonly Node[]
  signal: AbortSignal
  /** Copies under way when the run began. */
  moving: number
  copiesLeft: number
  /** True when fewer copies are allowed than without accepts. */
  paced: boolean
  bytesLeft: number
  jobs: Job[]
  looked: number
  waiting: number
  added: number
  dropped: number
  stale: number
}

class Repairer {
  readonly epoch: Epoch
  readonly #parts: RepairParts
  readonly #absences: Absences
  readonly #pace: Pace
  /** Copies that the run before this one began. */
  #added = 0
  /** How far the pass over unsettled contents has come, whether it has found any, and whether it could change any. */
  #afterCid = ''
  #found = false
  #changed = false
  #restUntilMs = -Infinity
  #restedWith = ''
  #turn = 0
  /** How far the passes over the work that waits on nodes have come, and when the next may begin. */
  readonly #passes = new Map<NodeId, { after: string; notBeforeMs: number }>()

  constructor(parts: RepairParts, epoch: Epoch) {
    this.#parts = parts
    this.epoch = epoch
    this.#pace = new Pace(parts.clock)
    this.#absences = new Absences(parts, epoch)
  }

  async run({ signal }: LeaderTurn): Promise<Report> {
    const { bus, log } = this.#parts
    const tally = emptyTally(this.#parts.nodes(), signal)
    let found: Report
    try {
      found = { ...(await this.#look(tally)), maintenance: false }
    } catch (error) {
      if (!isCode(error, 'maintenance')) {
        this.#parts.listenAgain()
        throw error
      }
      found = { maintenance: true }
    } finally {
      // Repairs that were committed before a failure are hinted too.
      await hint(bus, tally.jobs, log)
    }
    const { looked, waiting, added, dropped, stale } = tally
    this.#added = added
    if (tally.paced && tally.copiesLeft <= 0) this.#parts.soon?.()
    return { looked, waiting, added, dropped, stale, ...found }
  }

  async #look(tally: Tally): Promise<Report> {
    const { store } = this.#parts
    const { nodes, down } = await this.#absences.note(tally.nodes)
    tally.nodes = nodes
    // Perhaps this leader is cut off, and not the nodes.
    if (down === null) return { deaf: true }
    const moving = await store.moving()
    const live = tally.nodes.filter((node) => node.live).length
    tally.moving = moving.copies
    const most = Math.min(copiesMax, copiesPerNode * live)
    const copies = this.#copiesAtATime(most, moving.copies, down)
    tally.paced = copies < most
    tally.copiesLeft = copies - moving.copies
    tally.bytesLeft = bytesMax - moving.bytes
    await this.#settle(tally)
    await this.#handOver(tally)
    const walks = await this.#walk(tally)
    const drained = await this.#absences.noteDrained()
    return { down, walks, drained, moving: moving.copies, movingBytes: moving.bytes }
  }

  /** Copies of content that was lost with a node are made as fast as possible; all others slow down for the sake of accepts. */
  #copiesAtATime(most: number, moving: number, down: number): number {
    const paced = this.#pace.copies(most, this.#parts.acceptMs(), moving > 0 || this.#added > 0)
    return down > 0 ? most : paced
  }

  /** Looks through the contents that are marked as unsettled, page by page, and begins with the first again after the last. */
  async #settle(tally: Tally): Promise<void> {
    const { store, clock } = this.#parts
    const nodesNow = JSON.stringify(tally.nodes.map(({ id, live, state, zone }) => [id, live, state, zone]))
    if (clock.steadyMs() < this.#restUntilMs && nodesNow === this.#restedWith) return
    for (let pages = 0; pages < pagesMax && !tally.signal.aborted; pages++) {
      const contents = await store.unsettled(this.#afterCid, page)
      const repairs: Repair[] = []
      for (const content of contents) {
        const planned = this.#plan(content, tally) ?? leaveAsSeen(content)
        if (planned === 'later') this.#changed = true
        else if (changes(planned) || planned.settled) repairs.push(planned)
        else tally.waiting++
      }
      if (await this.#apply(repairs, tally)) this.#changed = true
      this.#found ||= contents.length > 0
      this.#afterCid = contents.at(-1)?.cid ?? ''
      if (contents.length === page) continue
      if (this.#found && !this.#changed && tally.moving === 0) this.#rest(nodesNow)
      this.#afterCid = ''
      this.#found = this.#changed = false
      return
    }
  }

  #rest(nodesNow: string): void {
    this.#restUntilMs = this.#parts.clock.steadyMs() + restMs
    this.#restedWith = nodesNow
  }

  /** Hands the work that waits on nodes which do not work to other nodes. A pass that could not hand over all begins again after a rest. */
  async #handOver(tally: Tally): Promise<void> {
    const { policy, clock } = this.#parts
    const stuck = tally.nodes.filter((node) => {
      const standing = nodeStanding(node, policy)
      return (standing === 'unable' || standing === 'blinking') && awayMs(node) >= patienceMs
    })
    for (const id of this.#passes.keys()) if (!stuck.some((node) => node.id === id)) this.#passes.delete(id)
    const pages = Math.ceil(pagesMax / Math.max(stuck.length, 1))
    for (const { id } of stuck) {
      const { after, notBeforeMs } = this.#passes.get(id) ?? { after: '', notBeforeMs: -Infinity }
      if (clock.steadyMs() < notBeforeMs) continue
      const next = await this.#pass(id, after, pages, tally)
      this.#passes.set(id, {
        after: next ?? '',
        notBeforeMs: next === null ? clock.steadyMs() + restMs : -Infinity,
      })
    }
  }

  /** Takes the pass over one node some pages further. Returns its new place; null at the end. */
  async #pass(nodeId: NodeId, from: string, pages: number, tally: Tally): Promise<string | null> {
    let place: string | null = from
    for (let read = 0; place !== null && read < pages && !tally.signal.aborted; read++) {
      const { contents, after } = await this.#parts.store.waitingOn(nodeId, place, page)
      const planned = contents.map((content) => this.#plan(content, tally))
      await this.#apply(
        planned.flatMap((repair) =>
          repair !== null && repair !== 'later' && changes(repair) ? [repair] : [],
        ),
        tally,
      )
      if (planned.includes('later')) return place
      place = after
    }
    return place
  }

  /** Takes each walk some pages further. A walk stops at a content whose copies cannot begin now. Returns how many walks there are. */
  async #walk(tally: Tally): Promise<number> {
    const walks = await this.#parts.store.walks()
    let pages = pagesMax
    this.#turn++
    for (let index = 0; index < walks.length && pages > 0; index++) {
      const walk = walks[(index + this.#turn) % walks.length]
      if (walk !== undefined)
        pages -= await this.#walkOn(walk, Math.ceil(pages / (walks.length - index)), tally)
    }
    return walks.length
  }

  async #walkOn(
    { nodeId, afterCid }: { nodeId: NodeId; afterCid: string },
    pages: number,
    tally: Tally,
  ): Promise<number> {
    const { store } = this.#parts
    let after = afterCid
    for (let read = 1; read <= pages && !tally.signal.aborted; read++) {
      const contents = await store.onNode(nodeId, after, page)
      const repairs: Repair[] = []
      let last: string | null = null
      let isFull = false
      for (const content of contents) {
        const planned = this.#plan(content, tally)
        isFull = planned === 'later'
        if (planned === 'later') break
        if (planned !== null) repairs.push(planned)
        last = content.cid
      }
      await this.#apply(repairs, tally)
      const isOver = !isFull && contents.length < page
      if (isOver || last !== null) await store.advanceWalk(this.epoch, nodeId, isOver ? null : last)
      if (isOver || isFull) return read
      after = last ?? after
    }
    return pages
  }

  /** `later` when no more copies may begin now. */
  #plan(content: ContentCopies, tally: Tally): Repair | 'later' | null {
    tally.looked++
    const planned = planRepair(content, tally.nodes, this.#parts.policy)
    const copies = planned?.add.length ?? 0
    if (copies === 0) return planned
    // The limits are checked before this content counts, so content of any size can begin; otherwise very large content never would.
    if (tally.copiesLeft <= 0 || tally.bytesLeft <= 0) return 'later'
    tally.copiesLeft -= copies
    tally.bytesLeft -= copies * (content.dagSize ?? 0)
    return planned
  }

  /** True when there was something to apply. */
  async #apply(repairs: Repair[], tally: Tally): Promise<boolean> {
    for (let at = 0; at < repairs.length; at += batch) {
      tally.signal.throwIfAborted()
      const applied = await this.#parts.store.apply(this.epoch, repairs.slice(at, at + batch))
      tally.jobs.push(...applied.jobs)
      tally.added += applied.added
      tally.dropped += applied.dropped
      tally.stale += applied.stale
    }
    return repairs.length > 0
  }
}

function emptyTally(nodes: readonly Node[], signal: AbortSignal): Tally {
  return {
    nodes,
    signal,
    moving: 0,
    copiesLeft: 0,
    paced: false,
    bytesLeft: 0,
    jobs: [],
    looked: 0,
    waiting: 0,
    added: 0,
    dropped: 0,
    stale: 0,
  }
}

function changes({ add, drop, lose, find }: Repair): boolean {
  return [add, drop, lose, find].some((list) => list.length > 0)
}
