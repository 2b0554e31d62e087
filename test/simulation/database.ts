import { strict as assert } from 'node:assert'
import { AnchorageError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { NodeState } from '../../src/core/node.ts'
import type { PinErrorCode, PinStatus } from '../../src/core/pin.ts'
import type { Finish, Job, PlacementReason, PlacementState } from '../../src/core/placement.ts'
import type { ContentCopies } from '../../src/core/repair.ts'

/** The rules that a test may switch off, to check that the invariants notice it. */
export interface Rules {
  /** A finish counts only for the generation that was claimed. */
  generation: boolean
  /** A leader's writes count only under the current epoch. */
  epoch: boolean
  /** A pinned copy is dropped only while as many other copies as are wanted are pinned. */
  dropLast: boolean
}

export interface Placement {
  readonly cid: string
  readonly nodeId: NodeId
  readonly generation: number
  readonly state: PlacementState
  readonly reason: PlacementReason
  readonly errorCode: PinErrorCode | null
  readonly attempts: number
  readonly crashes: number
  readonly wantedSince: number
  readonly nextAttemptAt: number
  readonly claim: { boot: number; generation: number; until: number } | null
  readonly lost: boolean
  readonly leaving: boolean
}

export interface PinRow {
  readonly id: string
  readonly cid: string
  readonly replicas: number
  status: PinStatus
}

export interface Content {
  readonly cid: string
  wanted: number
  dagSize: number | null
  unpinAfter: number | null
  readonly placements: Map<NodeId, Placement>
  readonly pins: Map<string, PinRow>
}

export interface NodeRow {
  readonly id: NodeId
  state: NodeState
  incarnation: number
  isDown: boolean
  /** It does not work, according to the leader; until its next sign of life. */
  isAway: boolean
  walkAfter: string | null
  /** The CIDs of its placements. */
  readonly cids: Set<string>
  /** The CIDs of its placements that are not pinned; polls need to look at these only. */
  readonly open: Set<string>
}

/** The change of one placement in a transaction. */
export interface Change {
  op: string
  before: Placement | null
  after: Placement | null
}

/** One committed transaction. */
export interface Commit {
  op: string
  /** The epoch of the leader that wrote it; null when no leader did. */
  epoch: number | null
  changes: Change[]
  /** Pins whose status changed, with the old status. */
  folds: { pin: PinRow; was: PinStatus }[]
}

const unpinGraceMs = 60_000
const crashesMax = 5

/**
 * The rules of the store, as in its SQL, without a database: contents, pins and placements with generations, claims by incarnation,
 * folds, epochs. Every method is one transaction. The calls of the leader's workers are in `leader-database.ts`.
 */
export class Database {
  readonly contents = new Map<string, Content>()
  readonly nodes = new Map<NodeId, NodeRow>()
  readonly pins = new Map<string, PinRow>()
  readonly unsettled = new Set<string>()
  /** Placements that are queued or pinning, by CID and node. */
  readonly busy = new Map<string, Placement>()
  /** Contents that have a time to be unpinned. */
  readonly releasing = new Set<string>()
  readonly rules: Rules = { generation: true, epoch: true, dropLast: true }
  /** Refused writes: of leaders whose epoch was over, during maintenance, and finishes for an older generation. */
  readonly refused = { epoch: 0, maintenance: 0, generation: 0 }
  epoch = 0
  maintenance = false
  onCommit: (commit: Commit) => void = () => {}
  /** Called for placements that get a hint after the commit. */
  onJob: (job: Job) => void = () => {}
  readonly #now: () => number
  #generation = 0
  #commit: Commit | null = null

  constructor(now: () => number) {
    this.#now = now
  }

  now(): number {
    return this.#now()
  }

  nextGeneration(): number {
    return ++this.#generation
  }

  /** Runs one transaction; all its changes become visible together. A leader's transaction changes nothing unless its epoch is current. */
  transaction<T>(op: string, work: () => T, leader?: { epoch: number }): T {
    assert.equal(this.#commit, null, 'transactions do not nest')
    if (leader !== undefined && this.rules.epoch && leader.epoch !== this.epoch) {
      this.refused.epoch++
      throw new AnchorageError('not_leading', 'the epoch is over')
    }
    if (leader !== undefined && this.maintenance) {
      this.refused.maintenance++
      throw new AnchorageError('maintenance', 'maintenance is on')
    }
    const commit: Commit = { op, epoch: leader?.epoch ?? null, changes: [], folds: [] }
    this.#commit = commit
    try {
      return work()
    } finally {
      this.#commit = null
      this.onCommit(commit)
    }
  }

  node(id: NodeId): NodeRow {
    return this.nodes.get(id) ?? assert.fail(`no node ${id}`)
  }

  placement(cid: string, nodeId: NodeId): Placement | undefined {
    return this.contents.get(cid)?.placements.get(nodeId)
  }

  /** Within a transaction: replaces the placement by `after`, or removes it when that is null. */
  put(content: Content, nodeId: NodeId, after: Placement | null): void {
    const before = content.placements.get(nodeId) ?? null
    this.#commit?.changes.push({ op: this.#commit.op, before, after })
    const name = `${content.cid} ${nodeId}`
    if (after?.state === 'queued' || after?.state === 'pinning') this.busy.set(name, after)
    else this.busy.delete(name)
    const { open } = this.node(nodeId)
    if (after === null || after.state === 'pinned') open.delete(content.cid)
    else open.add(content.cid)
    if (after === null) {
      content.placements.delete(nodeId)
      this.node(nodeId).cids.delete(content.cid)
    } else {
      content.placements.set(nodeId, after)
      this.node(nodeId).cids.add(content.cid)
    }
  }

  change(content: Content, before: Placement, patch: Partial<Placement>): Placement {
    const after = { ...before, ...patch }
    this.put(content, before.nodeId, after)
    return after
  }

  isWanted(content: Content): boolean {
    return content.pins.size > 0
  }

  /** Sets the status of the pins from the placements. */
  fold(content: Content): void {
    const counts = { pinned: 0, pinning: 0, queued: 0, failed: 0, unpinning: 0 }
    for (const { state, lost } of content.placements.values()) if (!lost) counts[state]++
    for (const pin of content.pins.values()) {
      const becomes = foldStatus(pin.status, this.reachable(pin.replicas), counts)
      if (becomes === pin.status) continue
      this.#commit?.folds.push({ pin, was: pin.status })
      pin.status = becomes
    }
  }

  /** The number of copies that are possible, at most `replicas`: no pin waits for more copies than there are nodes. */
  reachable(replicas: number): number {
    const able = [...this.nodes.values()].filter(({ state, isDown }) => state === 'active' && !isDown).length
    return Math.min(replicas, Math.max(1, able))
  }

  /** Called when the number of nodes changes: pins that lack copies may get another status. */
  refold(): void {
    for (const cid of this.unsettled) {
      const content = this.contents.get(cid)
      if (content !== undefined) this.fold(content)
    }
  }

  /** Accepts a pin; an id that exists already is accepted once only. */
  accept(pin: { id: string; cid: string; replicas: number; nodes: NodeId[] }): void {
    if (this.pins.has(pin.id)) return
    this.transaction('accept', () => {
      const content = this.contents.get(pin.cid) ?? this.#newContent(pin.cid)
      content.unpinAfter = null
      content.wanted = content.pins.size === 0 ? pin.replicas : Math.max(content.wanted, pin.replicas)
      let copies = 0
      for (const p of content.placements.values()) copies += this.#wake(content, p, pin.nodes)
      const works = (id: NodeId): boolean =>
        this.node(id).state === 'active' && !this.node(id).isDown && !this.node(id).isAway
      const usable = pin.nodes.some(works) ? works : (id: NodeId) => this.node(id).state === 'active'
      const open = pin.nodes.filter((id) => !content.placements.has(id) && usable(id))
      for (const nodeId of open.slice(0, Math.max(pin.replicas - copies, 0))) {
        this.put(content, nodeId, this.newPlacement(content.cid, nodeId, 'new'))
        this.hint(content, nodeId)
        copies++
      }
      const waits = [...content.placements.values()].some(
        ({ state, nodeId }) => (state === 'queued' || state === 'pinning') && !works(nodeId),
      )
      if (copies !== content.wanted || waits) this.unsettled.add(pin.cid)
      const made: PinRow = { id: pin.id, cid: pin.cid, replicas: pin.replicas, status: 'queued' }
      this.pins.set(pin.id, made)
      content.pins.set(pin.id, made)
      this.fold(content)
    })
  }

  /** A sign of life of a node that works. */
  see(id: NodeId): void {
    this.node(id).isAway = false
  }

  remove(id: string): void {
    const pin = this.pins.get(id)
    if (pin === undefined) return
    this.transaction('remove', () => {
      const content = this.contents.get(pin.cid) ?? assert.fail('a pin without content')
      this.pins.delete(id)
      content.pins.delete(id)
      if (this.isWanted(content)) this.#lowerWanted(content)
      else this.#release(content)
    })
  }

  /** Claims the placement if that is allowed now; else null. */
  claim(
    nodeId: NodeId,
    boot: number,
    job: Pick<Job, 'cid' | 'generation'>,
    claimMs: number,
  ): Placement | null {
    return this.transaction('claim', () => {
      const content = this.contents.get(job.cid)
      const p = content?.placements.get(nodeId)
      if (content === undefined || p === undefined || p.generation !== job.generation) return null
      if (!this.isDue(p, boot)) return null
      return this.change(content, p, {
        state: p.state === 'queued' ? 'pinning' : p.state,
        attempts: p.attempts + (p.state === 'queued' ? 1 : 0),
        claim: { boot, generation: p.generation, until: this.now() + claimMs },
        nextAttemptAt: this.now(),
      })
    })
  }

  isDue(p: Placement, boot: number): boolean {
    if (p.state !== 'queued' && p.state !== 'unpinning') return false
    return (
      p.nextAttemptAt <= this.now() &&
      (p.claim === null || p.claim.until < this.now() || p.claim.boot !== boot)
    )
  }

  /** Records the outcome of an attempt. With another generation than the claimed one, it only ends the claim. */
  finish(nodeId: NodeId, boot: number, { cid, generation, outcome }: Finish): void {
    this.transaction('finish', () => {
      const content = this.contents.get(cid)
      const p = content?.placements.get(nodeId)
      if (content === undefined || p === undefined) return
      if (p.claim?.boot !== boot || (this.rules.generation && p.claim.generation !== generation)) return
      const holds = p.generation === generation || !this.rules.generation
      if (!holds) {
        this.refused.generation++
        this.change(content, p, { claim: null })
      }
      if (holds && outcome.kind === 'unpinned') this.#gone(content, nodeId)
      else if (holds && outcome.kind !== 'unpinned') this.#ended(content, p, outcome)
      this.fold(content)
    })
  }

  /** A node boots: the claims of its earlier incarnations become void. Returns its incarnation. */
  boot(nodeId: NodeId): number {
    return this.transaction('boot', () => {
      const node = this.node(nodeId)
      node.incarnation++
      for (const cid of node.cids) {
        const content = this.contents.get(cid)
        const p = content?.placements.get(nodeId)
        if (content !== undefined && p !== undefined && this.isCrashed(p)) this.crashed(content, p)
      }
      return node.incarnation
    })
  }

  /** True while the placement has a claim of an earlier start of its node, also one whose time was over before. */
  isCrashed({ nodeId, state, generation, claim }: Placement): boolean {
    if (claim === null || claim.boot >= this.node(nodeId).incarnation) return false
    return state === 'pinning' || (state === 'queued' && claim.generation === generation)
  }

  /** Handles a claim whose process ended. */
  crashed(content: Content, p: Placement): void {
    const failed = p.crashes + 1 >= crashesMax
    this.change(content, p, {
      state: failed ? 'failed' : 'queued',
      crashes: p.crashes + 1,
      errorCode: 'crashed',
      nextAttemptAt: this.now(),
      claim: null,
    })
    if (failed && (p.reason !== 'new' || content.placements.size > 1)) this.unsettled.add(content.cid)
    this.fold(content)
  }

  /** For the reconciler: a placement that is pinned in the database and missing in Kubo is queued again. */
  requeueMissing(nodeId: NodeId, cids: string[]): void {
    this.transaction('requeue-missing', () => {
      for (const cid of cids) {
        const content = this.contents.get(cid)
        const p = content?.placements.get(nodeId)
        if (content === undefined) continue
        if (p?.state === 'pinned') {
          const again = {
            generation: this.nextGeneration(),
            reason: 'repair',
            wantedSince: this.now(),
          } as const
          this.change(content, p, { ...again, state: 'queued', nextAttemptAt: this.now() })
          this.hint(content, nodeId)
        }
        this.unsettled.add(cid)
        this.fold(content)
      }
    })
  }

  /** For the reconciler: content that is in Kubo without a placement gets one that says to unpin it. */
  dropUnwanted(nodeId: NodeId, cids: string[]): void {
    this.transaction('drop-unwanted', () => {
      for (const cid of cids) {
        const content = this.contents.get(cid) ?? this.#newContent(cid)
        if (content.placements.has(nodeId)) continue
        // the only copy of content that pins want
        if (
          this.isWanted(content) &&
          ![...content.placements.values()].some((p) => p.state === 'pinned' && !p.lost)
        )
          continue
        const stray = this.newPlacement(cid, nodeId, 'repair')
        // counts as tried once, because Kubo holds some of it
        this.put(content, nodeId, { ...stray, state: 'unpinning', attempts: 1 })
        this.hint(content, nodeId)
      }
    })
  }

  newPlacement(cid: string, nodeId: NodeId, reason: PlacementReason): Placement {
    const now = this.now()
    const generation = this.nextGeneration()
    const fresh = { attempts: 0, crashes: 0, wantedSince: now, nextAttemptAt: now, claim: null } as const
    return {
      cid,
      nodeId,
      generation,
      state: 'queued',
      reason,
      errorCode: null,
      lost: false,
      leaving: false,
      ...fresh,
    }
  }

  /** Marks a placement to be unpinned, under a new generation. */
  unpin(content: Content, p: Placement): void {
    const generation = this.nextGeneration()
    this.change(content, p, { state: 'unpinning', leaving: false, generation, nextAttemptAt: this.now() })
    this.hint(content, p.nodeId)
  }

  hint({ cid, placements }: Content, nodeId: NodeId): void {
    const p = placements.get(nodeId)
    if (p !== undefined)
      this.onJob({ cid, nodeId, orgId: null, generation: p.generation, attempt: p.attempts + 1 })
  }

  copiesOf(content: Content): ContentCopies {
    const copies = [...content.placements.values()].map(
      ({ nodeId, generation, state, errorCode, lost, leaving }) => ({
        nodeId,
        generation,
        state,
        errorCode,
        lost,
        leaving,
      }),
    )
    const wanted = this.isWanted(content) ? content.wanted : 0
    return { cid: content.cid, wanted, dagSize: content.dagSize, copies }
  }

  /** Removes a content that no pin wants and that has no placements. */
  forgetIfGone(content: Content): void {
    if (content.placements.size > 0 || this.isWanted(content)) return
    this.contents.delete(content.cid)
    this.unsettled.delete(content.cid)
    this.releasing.delete(content.cid)
  }

  #newContent(cid: string): Content {
    const content: Content = {
      cid,
      wanted: 1,
      dagSize: null,
      unpinAfter: null,
      placements: new Map(),
      pins: new Map(),
    }
    this.contents.set(cid, content)
    return content
  }

  /** A new pin wakes an existing placement; returns 1 when that counts as one of its copies. */
  #wake(content: Content, p: Placement, chosen: NodeId[]): number {
    const elsewhere = p.state === 'unpinning' || (p.state === 'failed' && p.errorCode === 'node_full')
    if (p.lost || p.leaving || (elsewhere && !chosen.includes(p.nodeId))) return 0
    if (p.state === 'pinned') return 1
    const again = p.state === 'failed' || p.state === 'unpinning'
    this.change(content, p, {
      state: p.state === 'pinning' ? 'pinning' : 'queued',
      generation: again ? this.nextGeneration() : p.generation,
      crashes: 0,
      wantedSince: this.now(),
      nextAttemptAt: Math.min(p.nextAttemptAt, this.now()),
    })
    if (p.state !== 'pinning') this.hint(content, p.nodeId)
    return 1
  }

  #lowerWanted(content: Content): void {
    const most = Math.max(...[...content.pins.values()].map(({ replicas }) => replicas))
    if (content.wanted <= most) return
    content.wanted = most
    this.unsettled.add(content.cid)
  }

  /** Aborts unfinished work at once; pinned copies are unpinned after the grace. */
  #release(content: Content): void {
    for (const p of content.placements.values()) {
      if (p.state === 'queued' && p.attempts === 0 && p.claim === null) this.put(content, p.nodeId, null)
      else if (p.state !== 'pinned' && p.state !== 'unpinning') this.unpin(content, p)
    }
    if ([...content.placements.values()].some(({ state }) => state === 'pinned'))
      content.unpinAfter = this.now() + unpinGraceMs
    if (content.unpinAfter !== null) this.releasing.add(content.cid)
    this.forgetIfGone(content)
  }

  #gone(content: Content, nodeId: NodeId): void {
    this.put(content, nodeId, null)
    this.forgetIfGone(content)
  }

  #ended(content: Content, p: Placement, outcome: Exclude<Finish['outcome'], { kind: 'unpinned' }>): void {
    const code = 'errorCode' in outcome ? outcome.errorCode : null
    const woken = (outcome.kind === 'retry' || outcome.kind === 'failed') && p.wantedSince > p.nextAttemptAt
    const state = outcome.kind === 'pinned' || (outcome.kind === 'failed' && !woken) ? outcome.kind : 'queued'
    const delayMs = outcome.kind === 'retry' && !woken ? outcome.delayMs : 0
    this.change(content, p, {
      state: p.state === 'unpinning' ? p.state : state,
      crashes: 0,
      errorCode: outcome.kind === 'released' ? p.errorCode : code,
      nextAttemptAt: this.now() + delayMs,
      claim: null,
    })
    const others = [...content.placements.values()].filter(({ nodeId }) => nodeId !== p.nodeId)
    if (outcome.kind === 'pinned') {
      content.dagSize = outcome.bytes
      const there = others.filter((other) => other.state !== 'unpinning' && !other.lost).length + 1
      const failed = others.some((other) => other.state === 'failed')
      if (p.reason !== 'new' || there > content.wanted || failed) this.unsettled.add(content.cid)
    } else if (
      code === 'node_full' ||
      (outcome.kind === 'failed' && (p.reason !== 'new' || others.length > 0))
    )
      this.unsettled.add(content.cid)
  }
}

/** The status of a pin, from the copies of its content: a pinned pin stays pinned while any copy is left. */
export function foldStatus(
  was: PinStatus,
  replicas: number,
  copies: { pinned: number; pinning: number; queued: number; failed: number },
): PinStatus {
  if (copies.pinned >= replicas || (was === 'pinned' && copies.pinned > 0)) return 'pinned'
  if (copies.pinning > 0) return 'pinning'
  if (copies.queued > 0) return 'queued'
  return copies.failed > 0 ? 'failed' : 'queued'
}
