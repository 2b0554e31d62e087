import type { NodeId } from '../../src/core/ids.ts'
import type { Inability } from '../../src/core/node.ts'
import type { Finish, Job, Outcome } from '../../src/core/placement.ts'
import type { Content, Database, Placement } from './database.ts'

const crashesMax = 5

/** A placement whose intent changed during its claim. */
export interface Woken {
  cid: string
  generation: number
  attempt: number
}

/** What a node says of itself in Postgres. */
export interface NodeSign {
  usedBytes?: number
  capacityBytes?: number
  unable: Pick<Inability, 'what' | 'forMs'> | null
}

/** The calls of the nodes: boot, claims, outcomes, the reconciler. */
export class NodeDatabase {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Starts a new incarnation of the node, which is greater than `after`, and returns it. */
  boot(nodeId: NodeId, after = 0): number {
    return this.#db.transaction('boot', () => {
      const node = this.#db.node(nodeId)
      this.#db.refold()
      node.incarnation = Math.max(node.incarnation, after) + 1
      return node.incarnation
    })
  }

  /**
   * Notes a sign of life, and whether the node can work; false when the node was forgotten, or when another process has started as this
   * node since.
   */
  see(nodeId: NodeId, boot: number, { unable, ...sizes }: NodeSign): boolean {
    const node = this.#db.nodes.get(nodeId)
    if (node === undefined || node.incarnation > boot) return false
    const now = this.#db.now()
    const since = Math.min(node.unable?.since ?? Infinity, now - (unable?.forMs ?? 0))
    Object.assign(node, sizes, { incarnation: boot, lastSeen: now })
    node.unable = unable && { what: unable.what, since }
    return true
  }

  /** Ends the claims that earlier incarnations of the node made. */
  voidClaims(nodeId: NodeId, boot: number): void {
    this.#db.transaction('void-claims', () => {
      const cids = [...this.#db.node(nodeId).open].filter((cid) => {
        const p = this.#db.placement(cid, nodeId)
        return p !== undefined && this.#isUnderWay(p) && (p.claim?.boot ?? boot) < boot
      })
      this.endClaims(cids)
    })
  }

  /** Claims those of the jobs that may be claimed now, and returns their placements. */
  claim(
    nodeId: NodeId,
    boot: number,
    jobs: readonly Pick<Job, 'cid' | 'generation'>[],
    claimMs: number,
  ): Placement[] {
    const db = this.#db
    return db.transaction('claim', () =>
      jobs.flatMap(({ cid, generation }) => {
        const content = db.contents.get(cid)
        const p = content?.placements.get(nodeId)
        if (content === undefined || p?.generation !== generation || !this.isDue(p, boot)) return []
        const isQueued = p.state === 'queued'
        return db.change(content, p, {
          state: isQueued ? 'pinning' : p.state,
          attempts: p.attempts + (isQueued ? 1 : 0),
          verify: p.verify || (p.claim?.until ?? null) !== null,
          wantedSince: Math.min(p.wantedSince, db.now()),
          claim: { boot, generation, until: db.now() + claimMs },
          nextAttemptAt: db.now(),
        })
      }),
    )
  }

  isDue(p: Placement, boot: number): boolean {
    if (p.state !== 'queued' && p.state !== 'unpinning') return false
    // a first attempt is due from the beginning, even if the clock was ahead when it was asked for
    const isTime = p.nextAttemptAt <= this.#db.now() || !p.retrying
    return isTime && (!this.#db.isClaimed(p) || p.claim?.boot !== boot)
  }

  /** Extends claims; returns the CIDs of those that are over or have another intent by now. Pins show that work on them is under way. */
  extend(
    nodeId: NodeId,
    boot: number,
    under: readonly Pick<Job, 'cid' | 'generation'>[],
    claimMs: number,
  ): string[] {
    const db = this.#db
    return db.transaction('extend', () => {
      const over = under.filter(({ cid, generation }) => {
        const content = db.contents.get(cid)
        const p = content?.placements.get(nodeId)
        if (content === undefined || p === undefined) return true
        if (p.claim?.boot !== boot || p.claim.generation !== generation || p.generation !== generation)
          return true
        db.change(content, p, {
          state: p.state === 'queued' ? 'pinning' : p.state,
          claim: { ...p.claim, until: db.now() + claimMs },
        })
        return false
      })
      for (const { cid } of under) this.#showPinning(cid)
      return over.map(({ cid }) => cid)
    })
  }

  /** Records the outcomes of attempts. With another generation than the claimed one, an outcome only ends the claim. */
  finish(nodeId: NodeId, boot: number, finishes: readonly Finish[]): Woken[] {
    const db = this.#db
    return db.transaction('finish', () => {
      const woken: Woken[] = []
      let isKnown = false
      for (const { cid, generation, outcome } of finishes) {
        const content = db.contents.get(cid)
        const p = content?.placements.get(nodeId)
        if (content === undefined || p?.claim?.boot !== boot) continue
        if (db.rules.generation && p.claim.generation !== generation) continue
        isKnown = true
        if (outcome.kind === 'kept' && this.#isKept(content, p, generation)) this.#keep(content, p)
        else if (p.generation === generation || !db.rules.generation) this.#ended(content, p, outcome)
        else {
          db.refused.generation++
          db.change(content, p, { claim: null, verify: true })
          if (p.state === 'queued' || p.state === 'unpinning')
            woken.push({ cid, generation: p.generation, attempt: p.attempts - p.attemptsBefore + 1 })
        }
      }
      if (isKnown) db.foldAll(finishes.map(({ cid }) => cid))
      return woken
    })
  }

  /**
   * Ends the claims of these contents whose time is over, or whose node has started again since. The work is queued again. Only the latter
   * is a crash; the process of the former may go on with its claim.
   */
  endClaims(cids: Iterable<string>): void {
    const db = this.#db
    for (const cid of cids) {
      const content = db.content(cid)
      for (const p of content.placements.values())
        if (this.#isCrashed(p)) this.#crashed(content, p)
        else if (this.#isOver(p)) this.#requeue(content, p)
      const copies = [...content.placements.values()]
      if (copies.some(({ state, reason }) => state === 'failed' && (reason !== 'new' || copies.length > 1)))
        db.unsettled.add(cid)
      db.fold(content)
    }
  }

  /** Whether `endClaims` ends its claim. */
  hasEnded(p: Placement): boolean {
    return this.#isCrashed(p) || this.#isOver(p)
  }

  /** For the reconciler: a placement that is pinned in the database and missing in Kubo is queued again. */
  requeueMissing(nodeId: NodeId, cids: readonly string[]): void {
    const db = this.#db
    db.transaction('requeue-missing', () => {
      for (const cid of cids) {
        const content = db.contents.get(cid)
        const p = content?.placements.get(nodeId)
        if (content === undefined) continue
        if (p?.state === 'pinned') {
          db.change(content, p, {
            state: 'queued',
            generation: db.nextGeneration(),
            reason: 'repair',
            verify: true,
            attemptsBefore: p.attempts,
            retrying: false,
            wantedSince: db.now(),
            nextAttemptAt: db.now(),
          })
          db.hint(content, nodeId)
        }
        db.unsettled.add(cid)
        db.fold(content)
      }
    })
  }

  /** For the reconciler: content that is in Kubo without a placement gets one that says to unpin it. */
  dropUnwanted(nodeId: NodeId, cids: readonly string[]): void {
    const db = this.#db
    db.transaction('drop-unwanted', () => {
      if (!db.nodes.has(nodeId)) return
      for (const cid of cids) {
        const content = db.contents.get(cid) ?? db.newContent(cid, 1)
        if (content.placements.has(nodeId)) continue
        if (db.isLastCopy(cid, nodeId)) continue
        db.put(content, nodeId, { ...db.newPlacement(cid, nodeId, 'repair'), state: 'unpinning' })
        db.hint(content, nodeId)
      }
    })
  }

  #isKept(content: Content, p: Placement, generation: number): boolean {
    return p.generation === generation && p.state === 'unpinning' && this.#db.isWanted(content)
  }

  /** The placement of what its node kept is pinned again. */
  #keep(content: Content, p: Placement): void {
    const db = this.#db
    db.change(content, p, {
      state: 'pinned',
      generation: db.nextGeneration(),
      reason: 'repair',
      lost: false,
      leaving: false,
      retrying: false,
      crashes: 0,
      verify: true,
      errorCode: null,
      nextAttemptAt: db.now(),
      claim: null,
    })
    content.isLost = false
    db.unsettled.add(content.cid)
  }

  #ended(content: Content, p: Placement, outcome: Outcome): void {
    const db = this.#db
    if (outcome.kind === 'unpinned') {
      db.put(content, p.nodeId, null)
      db.forgetIfGone(content)
      return
    }
    const { kind } = outcome
    const code = 'errorCode' in outcome ? outcome.errorCode : null
    const woken = (kind === 'retry' || kind === 'failed') && p.wantedSince > p.nextAttemptAt
    const state = kind === 'pinned' || (kind === 'failed' && !woken) ? kind : 'queued'
    const copies = [...content.placements.values()]
    // its owner may remove a pin that is not ours, so another node is to have a copy too
    const leaves = kind === 'pinned' && outcome.foreignPin && this.#hasRoomElsewhere(content)
    db.change(content, p, {
      state: p.state === 'unpinning' ? p.state : state,
      attempts: p.attempts - (kind === 'released' && p.state !== 'unpinning' ? 1 : 0),
      retrying: !woken && (kind === 'retry' || (kind === 'released' && p.retrying)),
      crashes: 0,
      verify: kind !== 'pinned' && (p.verify || kind === 'released'),
      errorCode: kind === 'released' ? p.errorCode : code,
      nextAttemptAt: db.now() + (kind === 'retry' && !woken ? outcome.delayMs : 0),
      leaving: p.leaving || leaves,
      claim: null,
    })
    if (kind === 'pinned') {
      content.isLost = false
      content.dagSize = Math.max(content.dagSize ?? 0, outcome.bytes)
      const there = copies.filter((copy) => copy.state !== 'unpinning' && !copy.lost).length
      const hasFailed = copies.some((copy) => copy.state === 'failed')
      if (p.reason !== 'new' || p.leaving || leaves || there > content.wanted || hasFailed)
        db.unsettled.add(content.cid)
    } else if (code === 'node_full' || (kind === 'failed' && (p.reason !== 'new' || copies.length > 1)))
      db.unsettled.add(content.cid)
  }

  #hasRoomElsewhere({ placements }: Content): boolean {
    return [...this.#db.nodes.values()].some(
      ({ id, state, isDown }) => state === 'active' && !isDown && !placements.has(id),
    )
  }

  /** Whether it has a claim that was neither finished nor overtaken, also one whose time was over before. */
  #isUnderWay({ state, generation, claim }: Placement): boolean {
    return state === 'pinning' || (state === 'queued' && claim?.generation === generation)
  }

  #isCrashed(p: Placement): boolean {
    const { claim } = p
    return claim !== null && this.#isUnderWay(p) && claim.boot < this.#db.node(p.nodeId).incarnation
  }

  #isOver(p: Placement): boolean {
    return p.state === 'pinning' && !this.#db.isClaimed(p)
  }

  #requeue(content: Content, p: Placement): void {
    this.#db.change(content, p, {
      state: 'queued',
      verify: true,
      nextAttemptAt: Math.min(p.nextAttemptAt, this.#db.now()),
      claim: p.claim && { ...p.claim, until: null },
    })
  }

  #crashed(content: Content, p: Placement): void {
    this.#db.change(content, p, {
      state: p.crashes + 1 >= crashesMax ? 'failed' : 'queued',
      crashes: p.crashes + 1,
      retrying: p.crashes >= 1,
      verify: true,
      errorCode: 'crashed',
      nextAttemptAt: this.#db.now(),
      claim: null,
    })
  }

  #showPinning(cid: string): void {
    const content = this.#db.contents.get(cid)
    if (content === undefined) return
    const hidden = [...content.pins.values()].some(({ status }) => status === 'queued' || status === 'failed')
    if (hidden) this.#db.fold(content)
  }
}
