import type { NodeId } from '../../src/core/ids.ts'
import type { PlacementState } from '../../src/core/placement.ts'
import {
  foldStatus,
  type Database,
  type Change,
  type Commit,
  type Content,
  type Placement,
} from './database.ts'

type Was = PlacementState | 'none'

/** Every allowed change of a placement's state, by the kind of transaction. */
const legal: Record<string, string[]> = {
  accept: ['none>queued', 'queued>queued', 'pinning>pinning', 'failed>queued', 'unpinning>queued'],
  remove: ['queued>none', 'queued>unpinning', 'pinning>unpinning', 'failed>unpinning'],
  claim: ['queued>pinning', 'unpinning>unpinning'],
  finish: [
    'pinning>pinned',
    'pinning>failed',
    'pinning>queued',
    'unpinning>none',
    'unpinning>unpinning',
    // the last copy is kept
    'unpinning>pinned',
    'queued>queued',
    // the time of its claim was over
    'queued>pinned',
    'queued>failed',
  ],
  'release-holds': ['queued>none', 'queued>unpinning', 'pinning>unpinning', 'failed>unpinning'],
  boot: [],
  'void-claims': ['pinning>queued', 'pinning>failed', 'queued>queued', 'queued>failed'],
  extend: ['pinning>pinning', 'unpinning>unpinning', 'queued>pinning'],
  forget: [
    'queued>none',
    'pinning>none',
    'pinned>none',
    'failed>none',
    'unpinning>none',
    'failed>queued',
    'unpinning>queued',
  ],
  'requeue-expired': ['pinning>queued', 'pinning>failed', 'queued>queued', 'queued>failed'],
  'bound-times': ['queued>queued', 'unpinning>unpinning'],
  'requeue-missing': ['pinned>queued'],
  'drop-unwanted': ['none>unpinning'],
  'release-due': ['queued>unpinning', 'pinning>unpinning', 'pinned>unpinning', 'failed>unpinning'],
  repair: [
    'none>queued',
    'unpinning>queued',
    'failed>queued',
    'queued>none',
    'queued>unpinning',
    'pinning>unpinning',
    'pinned>unpinning',
    'failed>unpinning',
    // marked as lost, or found again
    'queued>queued',
    'pinning>pinning',
    'pinned>pinned',
    'failed>failed',
    'unpinning>unpinning',
  ],
  'start-moves': ['none>queued', 'unpinning>queued', 'pinned>pinned'],
}

legal['replace'] = [...(legal['accept'] ?? []), ...(legal['remove'] ?? [])]

/** Changes that need a new generation: work under way for the old one must not change anything any more. */
const newIntents = new Set([
  'none>queued',
  'none>unpinning',
  'failed>queued',
  'unpinning>queued',
  'pinned>queued',
])

export interface Reality {
  /** Whether the node's Kubo holds it. */
  holds(nodeId: NodeId, cid: string): boolean
  /** Whether a disk with it died. Then the database may be wrong until that node has checked. */
  isSuspect(cid: string): boolean
  /** Whether any node holds it. */
  heldAnywhere(cid: string): boolean
  /** From now on the database may be wrong about it. */
  suspect(cid: string): void
}

/** An invariant that broke, and the content that it is about. */
export class Broken extends Error {
  readonly cid: string | null

  constructor(message: string, cid: string | null) {
    super(message)
    this.cid = cid
  }
}

/** Checks every commit, and the whole state from time to time. It keeps the first violation. */
export class Watch {
  broken: Broken | null = null
  readonly counts = new Map<string, number>()
  readonly #db: Database
  readonly #reality: Reality
  /** The pins that were accepted and not removed. */
  readonly #ledger = new Map<string, string>()
  #highest = 0
  #unnoticed = false

  constructor(db: Database, reality: Reality) {
    this.#db = db
    this.#reality = reality
    db.onCommit = (commit) => this.#committed(commit)
  }

  accepted(id: string, cid: string): void {
    this.#ledger.set(id, cid)
  }

  removed(id: string): void {
    this.#ledger.delete(id)
  }

  /** The database went back to an earlier moment. Pins that were accepted since are lost. */
  wentBack(): void {
    const { pins, generation, contents } = this.#db
    this.#ledger.clear()
    for (const { id, cid } of pins.values()) this.#ledger.set(id, cid)
    this.#highest = generation
    this.#unnoticed = true
    // what every node has unpinned since is to be fetched again
    for (const { cid } of contents.values()) if (!this.#reality.heldAnywhere(cid)) this.#reality.suspect(cid)
  }

  /** The nodes know by now that the database went back. */
  noticed(): void {
    this.#unnoticed = false
  }

  /** These contents were lost with a node that was forgotten. */
  givesUp(cids: readonly string[]): void {
    for (const cid of cids) this.#reality.suspect(cid)
  }

  /** Called just before a node removes content from its Kubo, while the database still lists the copy. */
  unpins(nodeId: NodeId, cid: string): void {
    const content = this.#db.contents.get(cid)
    if (content === undefined || !this.#db.isWanted(content) || this.#reality.isSuspect(cid)) return
    if (!this.#reality.holds(nodeId, cid)) return
    const others = [...content.placements.keys()].filter((id) => id !== nodeId)
    if (!others.some((id) => this.#reality.holds(id, cid)))
      this.break(`I2: the last copy of ${cid}, which is wanted, is removed from ${nodeId}`, cid)
  }

  /** Checks everything that must hold at any time. */
  checkAll(): void {
    const { pins, contents, nodes } = this.#db
    if (pins.size !== this.#ledger.size)
      this.break(`I1: ${pins.size} pins for ${this.#ledger.size} in the ledger`, null)
    for (const [id, cid] of this.#ledger)
      if (pins.get(id)?.cid !== cid) this.break(`I1: pin ${id} was accepted and is gone`, cid)
    let placements = 0
    for (const content of contents.values()) {
      placements += content.placements.size
      this.#checkContent(content)
    }
    const indexed = [...nodes.values()].reduce((sum, { cids }) => sum + cids.size, 0)
    if (indexed !== placements)
      this.break(`the model is wrong: ${indexed} placements for ${placements}`, null)
  }

  /** Checks what must hold once all work is done: every content is exactly where it is wanted. */
  checkSettled(): void {
    this.checkAll()
    for (const content of this.#db.contents.values()) {
      const most = Math.max(0, ...[...content.pins.values()].map(({ replicas }) => replicas))
      // content that a replace keeps for a pin that never was pinned has as many copies as before
      const wanted = content.holders.size > 0 ? Math.max(content.wanted, most) : most
      const copies = [...content.placements.values()]
      // the content was never available, or no longer is: its pins say so, and clients that want it ask again
      if (copies.length > 0 && copies.every(({ state }) => state === 'failed')) continue
      if (this.#db.isKeptForLong(content)) continue
      const stand = copies.filter(
        (p) => p.state === 'pinned' && !p.lost && !p.leaving && this.#db.node(p.nodeId).state === 'active',
      )
      if (stand.length !== wanted || copies.length !== wanted || content.wanted !== wanted)
        this.break(`I2: ${describe(content)}, and ${wanted} are wanted in the end`, content.cid)
      for (const { id, status } of content.pins.values())
        if (status !== 'pinned')
          this.break(`I2: pin ${id} of ${describe(content)} is ${status} in the end`, content.cid)
      for (const { nodeId } of copies)
        if (!this.#reality.holds(nodeId, content.cid))
          this.break(`I2: ${nodeId} does not have ${content.cid}`, content.cid)
    }
    for (const { id, cid, status } of this.#db.holding)
      if (status === 'pinned') this.break(`pin ${id} is pinned, and holds other content in the end`, cid)
    for (const node of this.#db.nodes.values()) {
      const { id, state, cids } = node
      const isLeft = state === 'draining' ? !this.#db.isHeldUp(node) : state === 'drained' && cids.size > 0
      if (isLeft) this.break(`node ${id} is ${state} with ${cids.size} placements in the end`, null)
    }
  }

  #committed(commit: Commit): void {
    this.counts.set(commit.op, (this.counts.get(commit.op) ?? 0) + 1)
    if (commit.epoch !== null && commit.epoch !== this.#db.epoch)
      this.break(`I4: ${commit.op} of epoch ${commit.epoch} was committed under ${this.#db.epoch}`, null)
    if (commit.epoch !== null && this.#db.maintenance)
      this.break(`${commit.op} was committed in maintenance`, null)
    const touched = new Set<string>()
    for (const change of commit.changes) {
      this.#checkChange(change)
      touched.add((change.after ?? change.before)?.cid ?? '')
    }
    for (const { pin, was } of commit.folds) {
      touched.add(pin.cid)
      const content = this.#db.contents.get(pin.cid)
      if (
        pin.status === 'pinned' &&
        content !== undefined &&
        standing(content).length < this.#db.reachable(pin.replicas)
      )
        this.break(`I2: pin ${pin.id} became pinned, from ${was}, with ${describe(content)}`, pin.cid)
    }
    for (const cid of touched) {
      const content = this.#db.contents.get(cid)
      if (content === undefined) continue
      this.#checkContent(content)
      if (commit.op === 'repair') this.#checkDrops(commit, content)
    }
  }

  #checkChange({ op, before, after }: Change): void {
    const step = `${before?.state ?? ('none' satisfies Was)}>${after?.state ?? ('none' satisfies Was)}`
    const cid = (after ?? before)?.cid ?? null
    const what = `${op} made ${cid} on ${(after ?? before)?.nodeId} go ${step}`
    if (legal[op]?.includes(step) !== true) this.break(`I5: ${what}`, cid)
    if (after === null) return
    const isNew = newIntents.has(step) || (after.state === 'unpinning' && before?.state !== 'unpinning')
    if (isNew ? after.generation <= this.#highest : after.generation < (before?.generation ?? 0))
      this.break(`I5: ${what} under generation ${after.generation}, after ${this.#highest}`, cid)
    this.#highest = Math.max(this.#highest, after.generation)
    const stale = before?.claim?.generation !== before?.generation
    if (op === 'finish' && before !== null && stale && before.state !== after.state)
      this.break(`I5: ${what} under a generation that was over`, cid)
    if (
      after.state === 'pinned' &&
      before?.state !== 'pinned' &&
      !this.#reality.holds(after.nodeId, after.cid)
    )
      this.break(`I2: ${what}, and its Kubo does not have it`, cid)
  }

  /** A repair drops only copies that are not needed. */
  #checkDrops(commit: Commit, content: Content): void {
    const dropped = commit.changes.some(
      ({ before, after }) =>
        before?.cid === content.cid &&
        before.state === 'pinned' &&
        !before.lost &&
        after?.state === 'unpinning',
    )
    if (
      dropped &&
      this.#db.isWanted(content) &&
      standing(content).filter(({ leaving }) => !leaving).length < content.wanted
    )
      this.break(`I2: a copy was dropped, and left ${describe(content)}`, content.cid)
  }

  #checkContent(content: Content): void {
    const counts = { pinned: 0, pinning: 0, queued: 0, failed: 0, unpinning: 0 }
    let isHeld = false
    for (const p of content.placements.values()) {
      if (!p.lost) counts[p.state]++
      const isUnsure =
        this.#unnoticed || this.#reality.isSuspect(content.cid) || this.#db.node(p.nodeId).uncompared
      if (p.state === 'pinned' && !p.lost && !isUnsure) isHeld = true
      if (p.state === 'pinned' && !isUnsure && !this.#reality.holds(p.nodeId, content.cid))
        this.break(`I2: ${p.nodeId} should have ${content.cid} and does not`, content.cid)
    }
    for (const pin of content.pins.values()) {
      const should = foldStatus(pin.status, this.#db.reachable(pin.replicas), counts)
      // claims do not change pins; and when a node leaves or returns, a content that lacks no copy is folded at its next change
      const hidden = { ...counts, pinning: 0, queued: counts.queued + counts.pinning }
      const late = [counts, hidden].some((seen) => foldStatus(pin.status, pin.replicas, seen) === pin.status)
      if (should !== pin.status && !late && (should !== 'pinning' || pin.status === 'pinned'))
        this.break(`I2: pin ${pin.id} is ${pin.status} with ${describe(content)}`, content.cid)
    }
    // the content was pinned once, is still wanted, and no node has it
    if (isHeld && !this.#reality.isSuspect(content.cid) && !this.#reality.heldAnywhere(content.cid))
      this.break(`I2: no node has ${content.cid}`, content.cid)
  }

  /** `what` says which invariant; `cid` is the content concerned. */
  break(what: string, cid: string | null): void {
    this.broken ??= new Broken(what, cid)
  }
}

function standing(content: Content): Placement[] {
  return [...content.placements.values()].filter(({ state, lost }) => state === 'pinned' && !lost)
}

function describe({ cid, wanted, placements }: Content): string {
  const copies = [...placements.values()].map(
    (p) =>
      `${p.nodeId.slice(-4)} ${p.state}${p.lost ? ' lost' : ''}${p.leaving ? ' leaving' : ''} ${p.errorCode ?? ''}`,
  )
  return `${cid} (${wanted} wanted; ${copies.join(', ')})`
}
