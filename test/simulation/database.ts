import { strict as assert } from 'node:assert'
import { epochOf, numberOf, type Epoch } from '../../src/core/epoch.ts'
import { AnchorageError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { Away, NodeState } from '../../src/core/node.ts'
import type { PinErrorCode, PinStatus } from '../../src/core/pin.ts'
import { stageOf, type RestoreStage } from '../../src/core/marks.ts'
import type { Job, PlacementReason, PlacementState } from '../../src/core/placement.ts'
import type { ContentCopies } from '../../src/core/repair.ts'
import { leap } from '../../src/store/marks.ts'

/** The rules that a test may switch off, to check that the invariants notice it. */
export interface Rules {
  /** A finish counts only for the generation that was claimed. */
  generation: boolean
  /** A leader's writes count only under the current epoch. */
  epoch: boolean
  /** The fence of an epoch is the id of its term and not the number alone. */
  term: boolean
  /** A pinned copy is dropped only while as many other copies as are wanted are pinned. */
  dropLast: boolean
  /** After a restore no node removes anything until all nodes have compared their Kubos. */
  barrier: boolean
  /** A node keeps the last copy of what pins want. */
  lastCopy: boolean
}

export interface Placement {
  readonly cid: string
  readonly nodeId: NodeId
  /** Null when no org waits for it. */
  readonly orgId: string | null
  readonly generation: number
  readonly state: PlacementState
  readonly reason: PlacementReason
  readonly errorCode: PinErrorCode | null
  readonly attempts: number
  readonly attemptsBefore: number
  readonly crashes: number
  readonly retrying: boolean
  readonly verify: boolean
  readonly wantedSince: number
  readonly nextAttemptAt: number
  readonly claim: ClaimRow | null
  readonly lost: boolean
  readonly leaving: boolean
}

/** A claim that an attempt made. */
export interface ClaimRow {
  boot: number
  generation: number
  /** Null once its time was over, so that the placement was queued again; its process may go on with it. */
  until: number | null
}

export interface PinRow {
  readonly id: string
  readonly orgId: string
  readonly cid: string
  readonly replicas: number
  status: PinStatus
  /** The contents that a replace keeps until this pin is pinned. */
  holds: readonly string[]
}

export interface Content {
  readonly cid: string
  wanted: number
  dagSize: number | null
  unpinAfter: number | null
  /** A node was deleted that had the only copy, and no copy is pinned since. */
  isLost: boolean
  readonly placements: Map<NodeId, Placement>
  readonly pins: Map<string, PinRow>
  /** The ids of the pins that hold it after a replace. */
  readonly holders: Set<string>
}

export interface NodeRow {
  readonly id: NodeId
  state: NodeState
  incarnation: number
  isDown: boolean
  /** Why and since when it does not work, according to itself or to the leader; null while it works. */
  unable: { what: Away['what']; since: number } | null
  walkAfter: string | null
  /** The last sign of life, with what the node said then. */
  lastSeen: number
  readonly zone: string | null
  capacityBytes: number | null
  usedBytes: number | null
  /** The CIDs of its placements. */
  readonly cids: Set<string>
  /** The CIDs of its placements that are not pinned; polls need to look at these only. */
  readonly open: Set<string>
  /** The restore that was decided about for this node; null when there was none. */
  confirmedRestore: number | null
  /** It has not compared its Kubo with its placements since the database was restored. */
  uncompared: boolean
}

/** A copy of all rows, to which the database may go back. */
interface Saved {
  rows: Pick<Database, 'contents' | 'nodes' | 'pins' | 'unsettled' | 'busy' | 'releasing' | 'holding'>
  epoch: Epoch
  restoreId: number | null
  restoredGeneration: number
  generation: number
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
  epoch: Epoch | null
  changes: Change[]
  /** Pins whose status changed, with the old status. */
  folds: { pin: PinRow; was: PinStatus }[]
  /** Pins that were made and deleted, in words. */
  pins: { cid: string; text: string }[]
}

/**
 * The tables of the store and the rules that all of its functions share, without a database. The functions are those of `src/store/functions`,
 * written a second time: `pin-database.ts` (accepts and deletes), `node-database.ts` (claims and outcomes) and `leader-database.ts`.
 * `test/simulation.pg.test.ts` holds the two against each other. Every call is one transaction. What the leader's sweep finishes after an
 * accept or a change of nodes (`continue_folds`) happens at once here.
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
  /** Pins that hold contents. */
  readonly holding = new Set<PinRow>()
  readonly rules: Rules = {
    generation: true,
    epoch: true,
    term: true,
    dropLast: true,
    barrier: true,
    lastCopy: true,
  }
  /** Refused writes: of leaders whose epoch was over, during maintenance, and finishes for an older generation. */
  readonly refused = { epoch: 0, maintenance: 0, generation: 0 }
  epoch: Epoch = epochOf('0')
  /** The mark of the last restore. */
  restoreId: number | null = null
  /** The newest generation from before the last restore. */
  restoredGeneration = 0
  maintenance = false
  onCommit: (commit: Commit) => void = () => {}
  /** Called for placements that get a hint after the commit. */
  onJob: (job: Job) => void = () => {}
  /** Content that no pin wants stays pinned for this long. */
  readonly unpinGraceMs: number
  readonly #now: () => number
  #generation = 0
  #commit: Commit | null = null

  constructor(now: () => number, unpinGraceMs = 60_000) {
    this.#now = now
    this.unpinGraceMs = unpinGraceMs
  }

  now(): number {
    return this.#now()
  }

  nextGeneration(): number {
    return ++this.#generation
  }

  get generation(): number {
    return this.#generation
  }

  save(): Saved {
    const { contents, nodes, pins, unsettled, busy, releasing, holding } = this
    const { epoch, restoreId, restoredGeneration } = this
    const rows = structuredClone({ contents, nodes, pins, unsettled, busy, releasing, holding })
    return { rows, epoch, restoreId, restoredGeneration, generation: this.#generation }
  }

  /** All rows and numbers are those of `saved` again. */
  goBack(saved: Saved): void {
    const { rows, generation, ...others } = structuredClone(saved)
    refill(this.contents, rows.contents)
    refill(this.nodes, rows.nodes)
    refill(this.pins, rows.pins)
    refill(this.busy, rows.busy)
    refillSet(this.unsettled, rows.unsettled)
    refillSet(this.releasing, rows.releasing)
    refillSet(this.holding, rows.holding)
    Object.assign(this, others)
    this.#generation = generation
  }

  /** Marks the database as restored, and moves its numbers beyond those that were given out before. */
  markRestored(restoreId: number, seen: { generation: number; epoch: Epoch }): void {
    this.restoreId = restoreId
    this.#generation = Math.max(this.#generation, seen.generation) + leap
    this.restoredGeneration = this.#generation
    this.epoch = epochOf(`${Math.max(numberOf(this.epoch), numberOf(seen.epoch)) + leap}`)
    for (const node of this.nodes.values()) node.uncompared = true
  }

  /** How far a node is after a restore. */
  stageOf(id: NodeId): RestoreStage {
    const { confirmedRestore, uncompared } = this.node(id)
    const others = [...this.nodes.values()].filter(
      (node) => node.id !== id && node.uncompared && node.state !== 'drained',
    )
    return stageOf({
      confirmed: this.restoreId === null || confirmedRestore === this.restoreId,
      uncompared,
      othersUncompared: this.rules.barrier ? others.map((node) => node.id) : [],
    })
  }

  /** Whether pins want the content and no other node has a copy that counts. */
  isLastCopy(cid: string, id: NodeId): boolean {
    const content = this.contents.get(cid)
    if (content === undefined || !this.isWanted(content)) return false
    return ![...content.placements.values()].some(
      (p) => p.nodeId !== id && p.state === 'pinned' && !p.lost && !p.leaving,
    )
  }

  /** Takes the epoch after `seen` for a term; null when another one was taken since. The earlier leader no longer leads. */
  takeEpoch(seen: Epoch, termId: string): Epoch | null {
    if (seen !== this.epoch) return null
    this.epoch = epochOf(`${numberOf(seen) + 1}:${termId}`)
    return this.epoch
  }

  /** Runs one transaction; all its changes become visible together. A leader's transaction changes nothing unless its epoch is current. */
  transaction<T>(op: string, work: () => T, leader?: { epoch: Epoch }): T {
    assert.equal(this.#commit, null, 'transactions do not nest')
    if (leader !== undefined && this.rules.epoch && !this.#isPresent(leader.epoch)) {
      this.refused.epoch++
      throw new AnchorageError('not_leading', 'the epoch is over')
    }
    if (leader !== undefined && this.maintenance) {
      this.refused.maintenance++
      throw new AnchorageError('maintenance', 'maintenance is on')
    }
    const commit: Commit = { op, epoch: leader?.epoch ?? null, changes: [], folds: [], pins: [] }
    this.#commit = commit
    try {
      return work()
    } finally {
      this.#commit = null
      this.onCommit(commit)
    }
  }

  #isPresent(epoch: Epoch): boolean {
    return this.rules.term ? epoch === this.epoch : numberOf(epoch) === numberOf(this.epoch)
  }

  addNode(id: NodeId, zone: string | null = null): NodeRow {
    const node: NodeRow = {
      id,
      state: 'active',
      incarnation: 0,
      isDown: false,
      unable: null,
      walkAfter: null,
      lastSeen: this.now(),
      zone,
      capacityBytes: null,
      usedBytes: null,
      cids: new Set(),
      open: new Set(),
      confirmedRestore: null,
      uncompared: false,
    }
    this.nodes.set(id, node)
    this.refold()
    return node
  }

  node(id: NodeId): NodeRow {
    return this.nodes.get(id) ?? assert.fail(`no node ${id}`)
  }

  /** Whether the node is in service and works, as far as the database knows. */
  works(id: NodeId): boolean {
    const node = this.nodes.get(id)
    return node?.state === 'active' && !node.isDown && node.unable === null
  }

  content(cid: string): Content {
    return this.contents.get(cid) ?? assert.fail(`no content ${cid}`)
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
    const { cids, open } = this.node(nodeId)
    if (after === null || after.state === 'pinned') open.delete(content.cid)
    else open.add(content.cid)
    if (after === null) {
      content.placements.delete(nodeId)
      cids.delete(content.cid)
    } else {
      content.placements.set(nodeId, after)
      cids.add(content.cid)
    }
  }

  change(content: Content, before: Placement, patch: Partial<Placement>): Placement {
    const after = { ...before, ...patch }
    this.put(content, before.nodeId, after)
    return after
  }

  /** Whether a pin wants it, or holds it after a replace. */
  isWanted(content: Content): boolean {
    return content.pins.size > 0 || content.holders.size > 0
  }

  /** Sets the status of the pins from the placements. */
  fold(content: Content): void {
    const counts = { pinned: 0, pinning: 0, queued: 0, failed: 0, unpinning: 0 }
    for (const { state, lost } of content.placements.values()) if (!lost) counts[state]++
    for (const pin of content.pins.values())
      this.setStatus(pin, foldStatus(pin.status, this.reachable(pin.replicas), counts))
  }

  foldAll(cids: Iterable<string>): void {
    for (const cid of cids) {
      const content = this.contents.get(cid)
      if (content !== undefined) this.fold(content)
    }
  }

  /** Notes what became of a pin, for the history of the run. */
  notePin({ id, cid, replicas }: PinRow, what: string): void {
    this.#commit?.pins.push({ cid, text: `${id} of ${replicas} replicas is ${what}` })
  }

  setStatus(pin: PinRow, becomes: PinStatus): void {
    if (becomes === pin.status) return
    this.#commit?.folds.push({ pin, was: pin.status })
    pin.status = becomes
  }

  /** The number of copies that are possible, at most `replicas`: no pin waits for more copies than there are nodes. */
  reachable(replicas: number): number {
    let able = 0
    for (const { state, isDown } of this.nodes.values()) if (state === 'active' && !isDown) able++
    return Math.min(replicas, Math.max(1, able))
  }

  /** Called when the number of nodes may have changed: pins that lack copies may get another status. */
  refold(): void {
    this.foldAll(this.unsettled)
  }

  newContent(cid: string, wanted: number): Content {
    const content: Content = {
      cid,
      wanted,
      dagSize: null,
      unpinAfter: null,
      isLost: false,
      placements: new Map(),
      pins: new Map(),
      holders: new Set(),
    }
    this.contents.set(cid, content)
    return content
  }

  newPlacement(cid: string, nodeId: NodeId, reason: PlacementReason, orgId: string | null = null): Placement {
    const now = this.now()
    const generation = this.nextGeneration()
    const fresh = { attempts: 0, attemptsBefore: 0, crashes: 0, retrying: false, verify: false } as const
    const times = { wantedSince: now, nextAttemptAt: now, claim: null } as const
    const marks = { errorCode: null, lost: false, leaving: false } as const
    return { cid, nodeId, orgId, generation, state: 'queued', reason, ...fresh, ...times, ...marks }
  }

  /** Whether it was never tried: then Kubo has nothing of it, and it can simply be deleted. */
  isUntried({ state, attempts, claim, verify }: Placement): boolean {
    return state === 'queued' && attempts === 0 && (claim?.until ?? null) === null && !verify
  }

  /** Whether the claim holds now. One that would last longer than any claim was made while the clock was ahead. */
  isClaimed({ claim }: Placement): boolean {
    const until = claim?.until ?? -Infinity
    return until >= this.now() && until <= this.now() + 60_000
  }

  /** Whether it is kept for longer than the grace, because its end was set while the clock was ahead. */
  isKeptForLong({ unpinAfter }: Content): boolean {
    return unpinAfter !== null && unpinAfter > this.now() + this.unpinGraceMs
  }

  /** Whether it drains, and only content of that kind is left on it. */
  isHeldUp({ state, cids }: NodeRow): boolean {
    return state === 'draining' && [...cids].every((cid) => this.isKeptForLong(this.content(cid)))
  }

  /** Marks a placement to be unpinned, under a new generation. */
  unpin(content: Content, p: Placement): void {
    const generation = this.nextGeneration()
    this.change(content, p, { state: 'unpinning', leaving: false, generation, nextAttemptAt: this.now() })
    this.hint(content, p.nodeId)
  }

  hint({ placements }: Content, nodeId: NodeId): void {
    const p = placements.get(nodeId)
    if (p !== undefined) this.onJob(this.jobOf(p))
  }

  jobOf({ cid, nodeId, generation, attempts, attemptsBefore }: Placement): Job {
    return { cid, nodeId, orgId: null, generation, attempt: attempts - attemptsBefore + 1 }
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

  /**
   * After pins were deleted: lowers `wanted` of these contents. Content that no pin wants any more is released: unfinished work is aborted
   * at once, and pinned copies are unpinned after the grace.
   */
  releaseContents(cids: Iterable<string>): void {
    const contents = [...cids].flatMap((cid) => this.contents.get(cid) ?? [])
    for (const content of contents) this.lowerWanted(content)
    for (const content of contents) if (!this.isWanted(content)) this.#release(content)
  }

  /** Content that pins only hold keeps its number. */
  lowerWanted(content: Content): void {
    const kept = this.isWanted(content) ? content.wanted : 1
    const replicas = [...content.pins.values()].map((pin) => pin.replicas)
    const most = replicas.length > 0 ? Math.max(...replicas) : kept
    if (content.wanted <= most) return
    content.wanted = most
    this.unsettled.add(content.cid)
  }

  /** Removes a content that no pin wants and that has no placements. */
  forgetIfGone(content: Content): void {
    if (content.placements.size > 0 || this.isWanted(content)) return
    this.contents.delete(content.cid)
    this.unsettled.delete(content.cid)
    this.releasing.delete(content.cid)
  }

  #release(content: Content): void {
    for (const p of content.placements.values()) {
      if (this.isUntried(p)) this.put(content, p.nodeId, null)
      else if (p.state !== 'pinned' && p.state !== 'unpinning') this.unpin(content, p)
    }
    if ([...content.placements.values()].some(({ state }) => state === 'pinned')) {
      content.unpinAfter = this.now() + this.unpinGraceMs
      this.releasing.add(content.cid)
    }
    this.forgetIfGone(content)
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

function refill<K, V>(map: Map<K, V>, rows: ReadonlyMap<K, V>): void {
  map.clear()
  for (const [key, row] of rows) map.set(key, row)
}

function refillSet<T>(set: Set<T>, rows: ReadonlySet<T>): void {
  set.clear()
  for (const row of rows) set.add(row)
}
