import { strict as assert } from 'node:assert'
import type { NodeId } from '../../src/core/ids.ts'
import type { Movable } from '../../src/core/plan-rebalance.ts'
import type { ContentCopies, Repair } from '../../src/core/repair.ts'
import type { PlacementReason } from '../../src/core/placement.ts'
import type { Move } from '../../src/core/plan.ts'
import type { Book, BookNode, Content, Placement } from './database.ts'

interface PlanRow {
  moves: (Move & { state: 'planned' | 'moving' | 'done' | 'skipped' })[]
  isApplied: boolean
}

/** The calls of the leader's workers and the operators: repairs, walks, nodes that leave and return, plans. */
export class LeaderBook {
  readonly #book: Book
  /** The plan being applied. */
  plan: PlanRow | null = null
  #unsettledInOrder: { size: number; cids: string[] } = { size: -1, cids: [] }

  constructor(book: Book) {
    this.#book = book
  }

  /** Starts a new epoch; the earlier leader no longer leads. */
  elect(): number {
    return ++this.#book.epoch
  }

  unsettled(afterCid: string, limit: number): ContentCopies[] {
    // sorted once, at the first page: a content that becomes unsettled behind the current page is seen in the next round
    if (afterCid === '' || this.#unsettledInOrder.size < 0) {
      const cids = [...this.#book.unsettled].toSorted()
      this.#unsettledInOrder = { size: cids.length, cids }
    }
    const page: ContentCopies[] = []
    for (const cid of from(this.#unsettledInOrder.cids, afterCid)) {
      const content = this.#book.contents.get(cid)
      if (content === undefined || !this.#book.unsettled.has(cid)) continue
      page.push(this.#book.copiesOf(content))
      if (page.length === limit) break
    }
    return page
  }

  walks(): { nodeId: NodeId; afterCid: string }[] {
    return [...this.#book.nodes.values()].flatMap(({ id, walkAfter }) =>
      walkAfter === null ? [] : [{ nodeId: id, afterCid: walkAfter }],
    )
  }

  beginWalk(epoch: number, nodeId: NodeId): void {
    this.#leading('begin-walk', epoch, () => (this.#book.node(nodeId).walkAfter = ''))
  }

  onNode(nodeId: NodeId, afterCid: string, limit: number): ContentCopies[] {
    const cids = [...from([...this.#book.node(nodeId).cids].toSorted(), afterCid)].slice(0, limit)
    return cids.map((cid) => this.#book.copiesOf(this.#content(cid)))
  }

  advanceWalk(epoch: number, nodeId: NodeId, afterCid: string | null): void {
    this.#leading('advance-walk', epoch, () => (this.#book.node(nodeId).walkAfter = afterCid))
  }

  apply(epoch: number, repairs: Repair[]): { added: number; dropped: number; stale: number } {
    return this.#leading('repair', epoch, () => {
      const done = { added: 0, dropped: 0, stale: 0 }
      for (const repair of repairs) {
        const content = this.#book.contents.get(repair.cid)
        if (content === undefined) continue
        if (this.#isStale(content, repair)) {
          done.stale++
          this.#book.unsettled.add(repair.cid)
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
    const copies = [...this.#book.busy.values()].filter((p) => p.reason !== 'new' && !p.lost).length
    return { copies, bytes: 0 }
  }

  noteDown(epoch: number, nodeId: NodeId, down: boolean): void {
    this.#leading('note-down', epoch, () => {
      const node = this.#book.node(nodeId)
      if (node.isDown === down) return
      node.isDown = down
      node.walkAfter = ''
      this.#book.refold()
    })
  }

  downNodes(): NodeId[] {
    return [...this.#book.nodes.values()].filter(({ isDown }) => isDown).map(({ id }) => id)
  }

  noteDrained(epoch: number): NodeId[] {
    return this.#leading('note-drained', epoch, () => {
      const drained: NodeId[] = []
      for (const node of this.#book.nodes.values()) {
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
    this.#book.transaction('drain', () => {
      const node = this.#book.node(nodeId)
      if (node.state !== 'active') return
      node.state = 'draining'
      this.#book.refold()
      node.walkAfter = ''
    })
  }

  uncordon(nodeId: NodeId): void {
    this.#book.transaction('uncordon', () => {
      this.#book.node(nodeId).state = 'active'
      this.#book.refold()
    })
  }

  /** Queues placements again whose claim expired. */
  requeueExpired(epoch: number): void {
    this.#leading('requeue-expired', epoch, () => {
      for (const p of this.#book.busy.values()) {
        if (p.state !== 'pinning' || p.claim === null) continue
        if (p.claim.until < this.#book.now() || p.claim.boot < this.#book.node(p.nodeId).incarnation)
          this.#book.crashed(this.#content(p.cid), p)
      }
    })
  }

  /** Unpins contents whose time to be unpinned has come and that still no pin wants. */
  releaseDue(epoch: number): void {
    this.#leading('release-due', epoch, () => {
      for (const cid of this.#book.releasing) {
        const content = this.#content(cid)
        if (content.unpinAfter !== null && content.unpinAfter > this.#book.now()) continue
        content.unpinAfter = null
        this.#book.releasing.delete(cid)
        if (this.#book.isWanted(content)) continue
        for (const p of content.placements.values()) if (p.state !== 'unpinning') this.#book.unpin(content, p)
        this.#book.forgetIfGone(content)
      }
    })
  }

  usage(): { nodeId: NodeId; placements: number; bytes: number }[] {
    return [...this.#book.nodes.values()].map(({ id, cids }) => ({
      nodeId: id,
      placements: cids.size,
      bytes: [...cids]
        .filter((cid) => isMovable(this.#book.placement(cid, id)))
        .reduce((sum, cid) => sum + (this.#content(cid).dagSize ?? 0), 0),
    }))
  }

  movable(nodeId: NodeId, afterCid: string, limit: number): Movable[] {
    return [...from([...this.#book.node(nodeId).cids].toSorted(), afterCid)]
      .filter((cid) => isMovable(this.#book.placement(cid, nodeId)))
      .slice(0, limit)
      .map((cid) => {
        const { dagSize, placements } = this.#content(cid)
        return { cid, bytes: dagSize ?? 0, holders: [...placements.keys()] }
      })
  }

  startMoves(epoch: number, limit: number): { started: number; skipped: number } {
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
          this.#book.change(content, p, { leaving: true, generation: this.#book.nextGeneration() })
          this.#book.fold(content)
          done.started++
        }
      }
      return done
    })
  }

  settleMoves(epoch: number): { done: number; left: number } {
    return this.#leading('settle-moves', epoch, () => {
      let done = 0
      for (const move of this.plan?.moves ?? []) {
        if (move.state !== 'moving') continue
        const p = this.#book.placement(move.cid, move.from)
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

  #leading<T>(op: string, epoch: number, work: () => T): T {
    return this.#book.transaction(op, work, { epoch })
  }

  #content(cid: string): Content {
    return this.#book.contents.get(cid) ?? assert.fail(`no content ${cid}`)
  }

  #isStale(content: Content, { seen, add, drop, lose, find }: Repair): boolean {
    const { placements, wanted } = content
    const same =
      seen.length === placements.size &&
      seen.every(({ nodeId, generation, state }) => {
        const p = placements.get(nodeId)
        return p?.generation === generation && p.state === state
      })
    if (!same || (!this.#book.isWanted(content) && add.length > 0)) return true
    if (add.some(({ nodeId }) => this.#book.node(nodeId).state !== 'active')) return true
    if (!this.#book.rules.dropLast) return false
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
    for (const nodeId of lose) this.#book.change(content, at(nodeId), { lost: true })
    for (const nodeId of find) this.#book.change(content, at(nodeId), { lost: false })
    for (const { nodeId, reason } of add) this.#add(content, nodeId, reason)
    for (const { nodeId } of drop) {
      const p = at(nodeId)
      if (p.state === 'queued' && p.attempts === 0 && p.claim === null) this.#book.put(content, nodeId, null)
      else this.#book.unpin(content, p)
    }
    const counted = [...content.placements.values()].filter(
      (p) => p.state !== 'unpinning' && !p.lost && !p.leaving && this.#book.node(p.nodeId).state === 'active',
    ).length
    const still = !(settled && (!this.#book.isWanted(content) || counted === content.wanted))
    if (still) this.#book.unsettled.add(content.cid)
    else this.#book.unsettled.delete(content.cid)
    this.#book.fold(content)
  }

  #add(content: Content, nodeId: NodeId, reason: PlacementReason): void {
    const p = content.placements.get(nodeId)
    const fresh = this.#book.newPlacement(content.cid, nodeId, reason)
    if (p === undefined) this.#book.put(content, nodeId, fresh)
    else if (p.state === 'unpinning' || p.state === 'failed') {
      const anew = {
        attempts: p.attempts,
        claim: p.claim,
        nextAttemptAt: Math.min(p.nextAttemptAt, fresh.nextAttemptAt),
      }
      this.#book.put(content, nodeId, { ...fresh, ...anew })
    } else this.#book.change(content, p, { lost: false, leaving: false, crashes: 0 })
    this.#book.hint(content, nodeId)
  }

  #mayMove({ cid, from: source, to }: Move): boolean {
    const content = this.#book.contents.get(cid)
    if (content === undefined || !this.#book.isWanted(content)) return false
    const target = this.#book.node(to)
    const there = content.placements.get(to)
    return (
      isMovable(content.placements.get(source)) &&
      (there === undefined || there.state === 'unpinning') &&
      target.state === 'active' &&
      !target.isDown
    )
  }

  /** Starts another walk when the node has content that is not marked and that no walk will reach. */
  #walkAgain(node: BookNode): void {
    if (node.walkAfter !== null) return
    const forgotten = [...node.cids].some((cid) => {
      const { unpinAfter, placements } = this.#content(cid)
      return (
        placements.get(node.id)?.state !== 'unpinning' &&
        !this.#book.unsettled.has(cid) &&
        unpinAfter === null
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
