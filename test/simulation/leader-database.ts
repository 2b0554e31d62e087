import { strict as assert } from 'node:assert'
import type { Epoch } from '../../src/core/epoch.ts'
import { AnchorageError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { Away } from '../../src/core/node.ts'
import type { Movable } from '../../src/core/plan-rebalance.ts'
import type { ContentCopies, Repair } from '../../src/core/repair.ts'
import type { Job, PlacementReason } from '../../src/core/placement.ts'
import type { Move } from '../../src/core/plan.ts'
import type { Content, Database, NodeRow, Placement } from './database.ts'
import type { NodeDatabase } from './node-database.ts'

/** A sign of life that is older than this says nothing about now. */
const freshMs = 15_000

interface PlanRow {
  moves: (Move & { state: 'planned' | 'moving' | 'done' | 'skipped' })[]
  isApplied: boolean
}

/** The calls of the leader's workers and the operators: repairs, walks, nodes that leave and return, plans. */
export class LeaderDatabase {
  readonly #db: Database
  readonly #nodes: NodeDatabase
  /** The plan being applied. */
  plan: PlanRow | null = null
  #unsettledInOrder: { size: number; cids: string[] } = { size: -1, cids: [] }

  constructor(db: Database, nodes: NodeDatabase) {
    this.#db = db
    this.#nodes = nodes
  }

  unsettled(afterCid: string, limit: number): ContentCopies[] {
    // sorted once, at the first page: a content that becomes unsettled behind the current page is seen in the next round
    if (afterCid === '' || this.#unsettledInOrder.size < 0) {
      const cids = [...this.#db.unsettled].toSorted()
      this.#unsettledInOrder = { size: cids.length, cids }
    }
    const page: ContentCopies[] = []
    for (const cid of from(this.#unsettledInOrder.cids, afterCid)) {
      const content = this.#db.contents.get(cid)
      if (content === undefined || !this.#db.unsettled.has(cid)) continue
      page.push(this.#db.copiesOf(content))
      if (page.length === limit) break
    }
    return page
  }

  walks(): { nodeId: NodeId; afterCid: string }[] {
    return [...this.#db.nodes.values()].flatMap(({ id, walkAfter }) =>
      walkAfter === null ? [] : [{ nodeId: id, afterCid: walkAfter }],
    )
  }

  /** The contents that wait on the node for an attempt, in the order of CIDs here; `after` is a CID. */
  waitingOn(
    nodeId: NodeId,
    after: string,
    limit: number,
  ): { contents: ContentCopies[]; after: string | null } {
    const queued = this.#cidsOn(nodeId).filter((cid) => this.#db.placement(cid, nodeId)?.state === 'queued')
    const cids = [...from(queued, after)].slice(0, limit)
    const contents = cids.map((cid) => this.#db.copiesOf(this.#content(cid)))
    return { contents, after: cids.length < limit ? null : (cids.at(-1) ?? null) }
  }

  /** Notes that a node does not work, and begins a walk over it. Only the node itself writes that its Kubo is gone. */
  noteAway(epoch: Epoch, nodeId: NodeId, { what, forMs }: Pick<Away, 'what' | 'forMs'>): void {
    this.#leading('note-away', epoch, () => {
      const node = this.#db.nodes.get(nodeId)
      if (node === undefined) return
      if (!node.isDown) node.walkAfter ??= ''
      if (what !== 'kubo') node.unable = { what, since: node.unable?.since ?? this.#db.now() - forMs }
    })
  }

  noteHeard(epoch: Epoch, nodeId: NodeId): void {
    this.#leading('note-heard', epoch, () => {
      const node = this.#db.nodes.get(nodeId)
      if (node !== undefined && node.unable?.what !== 'kubo') node.unable = null
    })
  }

  onNode(nodeId: NodeId, afterCid: string, limit: number): ContentCopies[] {
    const cids = [...from(this.#cidsOn(nodeId), afterCid)].slice(0, limit)
    return cids.map((cid) => this.#db.copiesOf(this.#content(cid)))
  }

  advanceWalk(epoch: Epoch, nodeId: NodeId, afterCid: string | null): void {
    this.#leading('advance-walk', epoch, () => this.#setWalk(nodeId, afterCid))
  }

  apply(epoch: Epoch, repairs: Repair[]): { added: number; dropped: number; stale: number } {
    return this.#leading('repair', epoch, () => {
      const done = { added: 0, dropped: 0, stale: 0 }
      for (const repair of repairs) {
        const content = this.#db.contents.get(repair.cid)
        if (content === undefined) continue
        if (this.#isStale(content, repair)) {
          done.stale++
          this.#db.unsettled.add(repair.cid)
        } else {
          this.#applyOne(content, repair)
          done.added += repair.add.length
          done.dropped += repair.drop.length
        }
        this.#db.fold(content)
      }
      return done
    })
  }

  /** The copies under way that no new pin waits for. */
  moving(): { copies: number; bytes: number } {
    const now = this.#db.now()
    const moving = [...this.#db.busy.values()].filter(
      (p) =>
        p.reason !== 'new' &&
        !p.lost &&
        (p.state === 'pinning' || !p.retrying) &&
        // copies that were given to a silent node do not move
        now - this.#db.node(p.nodeId).lastSeen < freshMs,
    )
    const bytes = moving.reduce((sum, { cid }) => sum + (this.#content(cid).dagSize ?? 0), 0)
    return { copies: moving.length, bytes }
  }

  noteDown(epoch: Epoch, nodeId: NodeId, down: boolean): void {
    this.#leading('note-down', epoch, () => {
      const node = this.#db.nodes.get(nodeId)
      if (node !== undefined && node.isDown !== down) Object.assign(node, { isDown: down, walkAfter: '' })
      this.#db.refold()
    })
  }

  downNodes(): NodeId[] {
    return [...this.#db.nodes.values()].filter(({ isDown }) => isDown).map(({ id }) => id)
  }

  noteDrained(epoch: Epoch): NodeId[] {
    return this.#leading('note-drained', epoch, () => {
      const drained: NodeId[] = []
      for (const node of this.#db.nodes.values()) {
        if (node.state !== 'draining') continue
        if (node.cids.size > 0) this.#walkAgain(node)
        else {
          node.state = 'drained'
          node.walkAfter = null
          drained.push(node.id)
        }
      }
      if (drained.length > 0) this.#db.refold()
      return drained
    })
  }

  drain(nodeId: NodeId): void {
    this.#db.transaction('drain', () => {
      const node = this.#db.node(nodeId)
      if (node.state === 'active') {
        node.state = 'draining'
        node.walkAfter = ''
      }
      this.#db.refold()
    })
  }

  uncordon(nodeId: NodeId): void {
    this.#db.transaction('uncordon', () => {
      this.#db.node(nodeId).state = 'active'
      this.#db.refold()
    })
  }

  /** The contents that pins want and that are pinned on this node alone. */
  soleContents(nodeId: NodeId): string[] {
    return this.#cidsOn(nodeId).filter((cid) => this.#isSole(this.#content(cid), nodeId))
  }

  /**
   * Deletes a node that is gone for good. Without `acceptLoss` it is a `conflict` while the node has content that is pinned nowhere else, and
   * the node is only taken out of service.
   */
  forget(nodeId: NodeId, acceptLoss: boolean): void {
    this.#db.transaction('forget', () => {
      const node = this.#db.node(nodeId)
      Object.assign(node, { state: 'drained', walkAfter: null })
      const sole = new Set(this.soleContents(nodeId))
      if (sole.size > 0 && !acceptLoss) {
        this.#db.refold()
        throw new AnchorageError('conflict', 'the node has content that is pinned nowhere else')
      }
      const contents = [...node.cids].map((cid) => this.#content(cid))
      for (const content of contents) {
        this.#db.put(content, nodeId, null)
        if (sole.has(content.cid)) this.#queueLost(content)
        this.#db.unsettled.add(content.cid)
        this.#db.forgetIfGone(content)
      }
      this.#db.nodes.delete(nodeId)
      this.#db.refold()
      for (const content of contents) this.#db.fold(content)
    })
  }

  /** Ends claims whose time is over, or whose node has started again. Returns how many. */
  requeueExpired(epoch: Epoch): number {
    return this.#leading('requeue-expired', epoch, () => {
      const ended = [...this.#db.busy.values()].filter((p) => this.#nodes.hasEnded(p))
      this.#nodes.endClaims(new Set(ended.map(({ cid }) => cid)))
      return ended.length
    })
  }

  /** Brings back times that lie further ahead than they can. Returns how many. */
  boundTimes(epoch: Epoch, longestMs: number): number {
    return this.#leading('bound-times', epoch, () => {
      const now = this.#db.now()
      const ahead = [...this.#db.nodes.values()].filter(({ lastSeen }) => lastSeen > now + 5_000)
      for (const node of ahead) node.lastSeen = now
      const late = [...this.#db.nodes.values()]
        .flatMap(({ id, open }) => [...open].flatMap((cid) => this.#db.placement(cid, id) ?? []))
        .filter((p) => (p.state === 'queued' && p.retrying) || p.state === 'unpinning')
        .filter(({ nextAttemptAt }) => nextAttemptAt > now + longestMs)
      for (const p of late) this.#db.change(this.#content(p.cid), p, { nextAttemptAt: now + longestMs })
      return ahead.length + late.length
    })
  }

  /** Placements that nodes in service should have begun long ago. */
  lostHints(overdueMs: number, limit: number): Job[] {
    const now = this.#db.now()
    const isLost = (p: Placement): boolean =>
      ((p.state === 'queued' && !p.retrying) || p.state === 'unpinning') &&
      p.nextAttemptAt < now - overdueMs &&
      !this.#db.isClaimed(p)
    return [...this.#db.nodes.values()]
      .filter(({ state, lastSeen }) => state === 'active' && now - lastSeen < freshMs)
      .flatMap(({ id, open }) => [...open].flatMap((cid) => this.#db.placement(cid, id) ?? []))
      .filter(isLost)
      .slice(0, limit)
      .map((p) => this.#db.jobOf(p))
  }

  /** Unpins contents whose time to be unpinned has come and that still no pin wants. Returns the number of placements. */
  releaseDue(epoch: Epoch): number {
    return this.#leading('release-due', epoch, () => {
      let released = 0
      for (const cid of this.#db.releasing) {
        const content = this.#content(cid)
        if (content.unpinAfter !== null && content.unpinAfter > this.#db.now()) continue
        const isDue = content.unpinAfter !== null
        content.unpinAfter = null
        this.#db.releasing.delete(cid)
        if (!isDue || this.#db.isWanted(content)) continue
        for (const p of content.placements.values()) {
          if (p.state === 'unpinning') continue
          this.#db.unpin(content, p)
          released++
        }
        this.#db.forgetIfGone(content)
      }
      return released
    })
  }

  /** What is to stay on each node. */
  usage(): { nodeId: NodeId; placements: number; bytes: number }[] {
    return [...this.#db.nodes.values()].flatMap(({ id, cids }) => {
      const staying = [...cids].filter((cid) => isStaying(this.#db.placement(cid, id)))
      const bytes = staying.reduce((sum, cid) => sum + (this.#content(cid).dagSize ?? 0), 0)
      return staying.length === 0 ? [] : [{ nodeId: id, placements: staying.length, bytes }]
    })
  }

  movable(nodeId: NodeId, afterCid: string, limit: number): Movable[] {
    return [...from(this.#cidsOn(nodeId), afterCid)]
      .filter((cid) => isMovable(this.#db.placement(cid, nodeId)))
      .slice(0, limit)
      .map((cid) => {
        const { dagSize, placements } = this.#content(cid)
        return { cid, bytes: dagSize ?? 0, holders: [...placements.keys()] }
      })
  }

  startMoves(epoch: Epoch, limit: number): { started: number; skipped: number } {
    return this.#leading('start-moves', epoch, () => {
      const done = { started: 0, skipped: 0 }
      for (const move of (this.plan?.moves ?? [])
        .filter(({ state }) => state === 'planned')
        .slice(0, limit)) {
        const fits = this.#mayMove(move)
        move.state = fits ? 'moving' : 'skipped'
        if (fits) {
          const content = this.#content(move.cid)
          this.#add(content, move.to, 'rebalance')
          const p = content.placements.get(move.from) ?? assert.fail('nothing to move')
          this.#db.change(content, p, { leaving: true, generation: this.#db.nextGeneration() })
          done.started++
        } else done.skipped++
        this.#db.foldAll([move.cid])
      }
      return done
    })
  }

  settleMoves(epoch: Epoch): { done: number; left: number } {
    return this.#leading('settle-moves', epoch, () => {
      let done = 0
      for (const move of this.plan?.moves ?? []) {
        if (move.state !== 'moving') continue
        const p = this.#db.placement(move.cid, move.from)
        if (p !== undefined && (p.leaving || p.state === 'unpinning') && !p.lost) continue
        move.state = 'done'
        done++
      }
      const left = this.movesUnderWay().length
      if (left === 0 && this.plan !== null) this.plan.isApplied = true
      return { done, left }
    })
  }

  /** The contents of the moves that are not over. */
  movesUnderWay(): string[] {
    const isOpen = ({ state }: { state: string }): boolean => state === 'planned' || state === 'moving'
    return (this.plan?.moves ?? []).filter(isOpen).map(({ cid }) => cid)
  }

  #leading<T>(op: string, epoch: Epoch, work: () => T): T {
    return this.#db.transaction(op, work, { epoch })
  }

  /** A node that was forgotten meanwhile has no row. */
  #setWalk(nodeId: NodeId, afterCid: string | null): void {
    const node = this.#db.nodes.get(nodeId)
    if (node !== undefined) node.walkAfter = afterCid
  }

  #cidsOn(nodeId: NodeId): string[] {
    return [...(this.#db.nodes.get(nodeId)?.cids ?? [])].toSorted()
  }

  #content(cid: string): Content {
    return this.#db.content(cid)
  }

  #isStale(content: Content, { seen, add, drop, lose, find }: Repair): boolean {
    const { placements, wanted } = content
    const same =
      seen.length === placements.size &&
      seen.every(({ nodeId, generation, state }) => {
        const p = placements.get(nodeId)
        return p?.generation === generation && p.state === state
      })
    if (!same || (!this.#db.isWanted(content) && add.length > 0)) return true
    if (add.some(({ nodeId }) => this.#db.nodes.get(nodeId)?.state !== 'active')) return true
    if (!this.#db.rules.dropLast) return false
    const gone = new Set([...drop.map(({ nodeId }) => nodeId), ...lose])
    const drops = drop.some(({ nodeId }) => placements.get(nodeId)?.state === 'pinned')
    const left = [...placements.values()].filter(
      (p) =>
        p.state === 'pinned' && !p.leaving && !gone.has(p.nodeId) && (!p.lost || find.includes(p.nodeId)),
    )
    return drops && left.length < wanted
  }

  #applyOne(content: Content, { add, drop, lose, find, settled }: Repair): void {
    const at = (nodeId: NodeId): Placement => content.placements.get(nodeId) ?? assert.fail('not as seen')
    for (const nodeId of lose) this.#db.change(content, at(nodeId), { lost: true })
    for (const nodeId of find) this.#db.change(content, at(nodeId), { lost: false })
    const isPinned = [...content.placements.values()].some((p) => p.state === 'pinned' && !p.lost)
    if (find.length > 0 && isPinned) content.isLost = false
    for (const { nodeId, reason } of add) this.#add(content, nodeId, reason)
    for (const { nodeId } of drop) {
      const p = at(nodeId)
      if (this.#db.isUntried(p)) this.#db.put(content, nodeId, null)
      else if (p.state !== 'unpinning') this.#db.unpin(content, p)
    }
    const counted = [...content.placements.values()].filter(
      (p) => p.state !== 'unpinning' && !p.lost && !p.leaving && this.#db.node(p.nodeId).state === 'active',
    ).length
    const still = !(settled && (!this.#db.isWanted(content) || counted === content.wanted))
    if (still) this.#db.unsettled.add(content.cid)
    else this.#db.unsettled.delete(content.cid)
  }

  /** A copy that is being unpinned or has failed is queued again; one in another state keeps it, and counts again. */
  #add(content: Content, nodeId: NodeId, reason: PlacementReason): void {
    const db = this.#db
    const p = content.placements.get(nodeId)
    const fresh = db.newPlacement(content.cid, nodeId, reason)
    if (p === undefined) db.put(content, nodeId, fresh)
    else {
      const isGone = p.state === 'unpinning' || p.state === 'failed'
      db.change(content, p, {
        ...(isGone ? { state: 'queued', generation: fresh.generation, reason } : {}),
        verify: p.verify || p.state === 'unpinning',
        lost: false,
        leaving: false,
        attemptsBefore: p.attempts,
        retrying: false,
        crashes: 0,
        wantedSince: fresh.wantedSince,
        nextAttemptAt: Math.min(p.nextAttemptAt, fresh.nextAttemptAt),
      })
    }
    if (content.placements.get(nodeId)?.state === 'queued') db.hint(content, nodeId)
  }

  /** No node has it any more: those that tried it once and failed try it again. */
  #queueLost(content: Content): void {
    const now = this.#db.now()
    content.isLost ||= ![...content.placements.values()].some(
      ({ state, lost }) => state === 'pinned' && !lost,
    )
    for (const p of content.placements.values())
      if (p.state === 'failed' || p.state === 'unpinning')
        this.#db.change(content, p, {
          state: 'queued',
          generation: this.#db.nextGeneration(),
          verify: p.verify || p.state === 'unpinning',
          attemptsBefore: p.attempts,
          retrying: false,
          crashes: 0,
          wantedSince: now,
          nextAttemptAt: now,
        })
  }

  #isSole(content: Content, nodeId: NodeId): boolean {
    const { placements } = content
    if (placements.get(nodeId)?.state !== 'pinned' || !this.#db.isWanted(content)) return false
    return ![...placements.values()].some(
      (p) => p.nodeId !== nodeId && p.state === 'pinned' && !p.lost && !this.#db.node(p.nodeId).uncompared,
    )
  }

  #mayMove({ cid, from: source, to }: Move): boolean {
    const content = this.#db.contents.get(cid)
    if (content === undefined || !this.#db.isWanted(content)) return false
    const target = this.#db.nodes.get(to)
    const there = content.placements.get(to)
    return (
      isMovable(content.placements.get(source)) &&
      (there === undefined || there.state === 'unpinning') &&
      target?.state === 'active' &&
      !target.isDown
    )
  }

  /** Starts another walk when the node has content that is not marked and that no walk will reach. */
  #walkAgain(node: NodeRow): void {
    if (node.walkAfter !== null) return
    const forgotten = [...node.cids].some((cid) => {
      const { unpinAfter, placements } = this.#content(cid)
      return (
        placements.get(node.id)?.state !== 'unpinning' && !this.#db.unsettled.has(cid) && unpinAfter === null
      )
    })
    if (forgotten) node.walkAfter = ''
  }
}

function isMovable(p: Placement | undefined): boolean {
  return p?.state === 'pinned' && !p.lost && !p.leaving
}

function isStaying(p: Placement | undefined): boolean {
  return p !== undefined && p.state !== 'unpinning' && !p.lost && !p.leaving
}

/** The CIDs after a given one, in a sorted list. */
function* from(cids: readonly string[], afterCid: string): Generator<string> {
  let [low, high] = [0, cids.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cids[middle] ?? '') <= afterCid) low = middle + 1
    else high = middle
  }
  for (; low < cids.length; low++) yield cids[low] ?? ''
}
