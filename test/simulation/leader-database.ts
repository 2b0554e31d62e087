import { strict as assert } from 'node:assert'
import { epochOf, numberOf, type Epoch } from '../../src/core/epoch.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { Movable } from '../../src/core/plan-rebalance.ts'
import type { ContentCopies, Repair } from '../../src/core/repair.ts'
import type { PlacementReason } from '../../src/core/placement.ts'
import type { Move } from '../../src/core/plan.ts'
import type { Database, NodeRow, Content, Placement } from './database.ts'

interface PlanRow {
  moves: (Move & { state: 'planned' | 'moving' | 'done' | 'skipped' })[]
  isApplied: boolean
}

/** The calls of the leader's workers and the operators: repairs, walks, nodes that leave and return, plans. */
export class LeaderDatabase {
  readonly #db: Database
  /** The plan being applied. */
  plan: PlanRow | null = null
  #unsettledInOrder: { size: number; cids: string[] } = { size: -1, cids: [] }

  constructor(db: Database) {
    this.#db = db
  }

  /** Starts a new epoch; the earlier leader no longer leads. */
  elect(): Epoch {
    return epochOf(`${++this.#db.epoch}`)
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

  noteAway(epoch: Epoch, nodeId: NodeId): void {
    this.#leading('note-away', epoch, () => {
      const node = this.#db.node(nodeId)
      node.isAway = true
      if (!node.isDown) node.walkAfter ??= ''
    })
  }

  noteHeard(epoch: Epoch, nodeId: NodeId): void {
    this.#leading('note-heard', epoch, () => (this.#db.node(nodeId).isAway = false))
  }

  /** Ordered by CID, which serves as the place. */
  waitingOn(
    nodeId: NodeId,
    after: string,
    limit: number,
  ): { contents: ContentCopies[]; after: string | null } {
    const queued = [...this.#db.node(nodeId).open].filter(
      (cid) => this.#db.placement(cid, nodeId)?.state === 'queued',
    )
    const cids = [...from(queued.toSorted(), after)].slice(0, limit)
    const contents = cids.map((cid) => this.#db.copiesOf(this.#content(cid)))
    return { contents, after: cids.length < limit ? null : (cids.at(-1) ?? null) }
  }

  onNode(nodeId: NodeId, afterCid: string, limit: number): ContentCopies[] {
    const cids = [...from([...this.#db.node(nodeId).cids].toSorted(), afterCid)].slice(0, limit)
    return cids.map((cid) => this.#db.copiesOf(this.#content(cid)))
  }

  advanceWalk(epoch: Epoch, nodeId: NodeId, afterCid: string | null): void {
    this.#leading('advance-walk', epoch, () => (this.#db.node(nodeId).walkAfter = afterCid))
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
          continue
        }
        this.#applyOne(content, repair)
        done.added += repair.add.length
        done.dropped += repair.drop.length
      }
      return done
    })
  }

  moving(): { copies: number; bytes: number } {
    const copies = [...this.#db.busy.values()].filter((p) => p.reason !== 'new' && !p.lost).length
    return { copies, bytes: 0 }
  }

  noteDown(epoch: Epoch, nodeId: NodeId, down: boolean): void {
    this.#leading('note-down', epoch, () => {
      const node = this.#db.node(nodeId)
      if (node.isDown === down) return
      node.isDown = down
      node.walkAfter = ''
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
      return drained
    })
  }

  drain(nodeId: NodeId): void {
    this.#db.transaction('drain', () => {
      const node = this.#db.node(nodeId)
      if (node.state !== 'active') return
      node.state = 'draining'
      this.#db.refold()
      node.walkAfter = ''
    })
  }

  uncordon(nodeId: NodeId): void {
    this.#db.transaction('uncordon', () => {
      this.#db.node(nodeId).state = 'active'
      this.#db.refold()
    })
  }

  /** Queues placements again whose claim expired. */
  requeueExpired(epoch: Epoch): void {
    this.#leading('requeue-expired', epoch, () => {
      for (const p of this.#db.busy.values()) {
        const content = this.#content(p.cid)
        if (this.#db.isCrashed(p)) this.#db.crashed(content, p)
        else if (p.state === 'pinning' && p.claim !== null && p.claim.until < this.#db.now()) {
          // The claim stays: its process may go on with it.
          this.#db.change(content, p, { state: 'queued' })
          this.#db.fold(content)
        }
      }
    })
  }

  /** Unpins contents whose time to be unpinned has come and that still no pin wants. */
  releaseDue(epoch: Epoch): void {
    this.#leading('release-due', epoch, () => {
      for (const cid of this.#db.releasing) {
        const content = this.#content(cid)
        if (content.unpinAfter !== null && content.unpinAfter > this.#db.now()) continue
        content.unpinAfter = null
        this.#db.releasing.delete(cid)
        if (this.#db.isWanted(content)) continue
        for (const p of content.placements.values()) if (p.state !== 'unpinning') this.#db.unpin(content, p)
        this.#db.forgetIfGone(content)
      }
    })
  }

  usage(): { nodeId: NodeId; placements: number; bytes: number }[] {
    return [...this.#db.nodes.values()].map(({ id, cids }) => ({
      nodeId: id,
      placements: cids.size,
      bytes: [...cids]
        .filter((cid) => isMovable(this.#db.placement(cid, id)))
        .reduce((sum, cid) => sum + (this.#content(cid).dagSize ?? 0), 0),
    }))
  }

  movable(nodeId: NodeId, afterCid: string, limit: number): Movable[] {
    return [...from([...this.#db.node(nodeId).cids].toSorted(), afterCid)]
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
        if (!fits) done.skipped++
        else {
          const content = this.#content(move.cid)
          this.#add(content, move.to, 'rebalance')
          const p = content.placements.get(move.from) ?? assert.fail('nothing to move')
          this.#db.change(content, p, { leaving: true, generation: this.#db.nextGeneration() })
          this.#db.fold(content)
          done.started++
        }
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
      const left = (this.plan?.moves ?? []).filter(
        ({ state }) => state === 'planned' || state === 'moving',
      ).length
      if (left === 0 && this.plan !== null) this.plan.isApplied = true
      return { done, left }
    })
  }

  #leading<T>(op: string, epoch: Epoch, work: () => T): T {
    return this.#db.transaction(op, work, { epoch: numberOf(epoch) })
  }

  #content(cid: string): Content {
    return this.#db.contents.get(cid) ?? assert.fail(`no content ${cid}`)
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
    if (add.some(({ nodeId }) => this.#db.node(nodeId).state !== 'active')) return true
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
    for (const { nodeId, reason } of add) this.#add(content, nodeId, reason)
    for (const { nodeId } of drop) {
      const p = at(nodeId)
      if (p.state === 'queued' && p.attempts === 0 && p.claim === null) this.#db.put(content, nodeId, null)
      else this.#db.unpin(content, p)
    }
    const counted = [...content.placements.values()].filter(
      (p) => p.state !== 'unpinning' && !p.lost && !p.leaving && this.#db.node(p.nodeId).state === 'active',
    ).length
    const still = !(settled && (!this.#db.isWanted(content) || counted === content.wanted))
    if (still) this.#db.unsettled.add(content.cid)
    else this.#db.unsettled.delete(content.cid)
    this.#db.fold(content)
  }

  #add(content: Content, nodeId: NodeId, reason: PlacementReason): void {
    const p = content.placements.get(nodeId)
    const fresh = this.#db.newPlacement(content.cid, nodeId, reason)
    if (p === undefined) this.#db.put(content, nodeId, fresh)
    else if (p.state === 'unpinning' || p.state === 'failed') {
      const kept = {
        attempts: p.attempts,
        claim: p.claim,
        nextAttemptAt: Math.min(p.nextAttemptAt, fresh.nextAttemptAt),
      }
      this.#db.put(content, nodeId, { ...fresh, ...kept })
    } else this.#db.change(content, p, { lost: false, leaving: false, crashes: 0 })
    this.#db.hint(content, nodeId)
  }

  #mayMove({ cid, from: source, to }: Move): boolean {
    const content = this.#db.contents.get(cid)
    if (content === undefined || !this.#db.isWanted(content)) return false
    const target = this.#db.node(to)
    const there = content.placements.get(to)
    return (
      isMovable(content.placements.get(source)) &&
      (there === undefined || there.state === 'unpinning') &&
      target.state === 'active' &&
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
