import { strict as assert } from 'node:assert'
import { epochOf, numberOf, type Epoch } from '../../../src/core/epoch.ts'
import { idOf, type NodeId } from '../../../src/core/ids.ts'
import type { Inability, Node } from '../../../src/core/node.ts'
import type { Finish, Outcome } from '../../../src/core/placement.ts'
import { leaveAsSeen, planRepair } from '../../../src/core/plan-repair.ts'
import type { ContentCopies, Repair } from '../../../src/core/repair.ts'
import type { Random } from '../../../testing/random.ts'
import type { Placement } from '../database.ts'
import type { NewPin } from '../pin-database.ts'
import type { ModelSide } from './model-side.ts'
import { times, type LeaderStep, type Step } from './step.ts'

export const orgs = ['one', 'two']
const cids = Array.from({ length: 12 }, (_, index) => `cid-${index + 10}`)
const nodesAtLeast = 4
const policy = { minCopies: 1, downGraceMs: 60_000, highWater: 0.9 }

/** An attempt that a node has begun. */
interface Attempt {
  nodeId: NodeId
  boot: number
  cid: string
  generation: number
  work: 'pin' | 'unpin'
}

/** Draws the next step of a trace from what the model has now. Most steps fit; some are late, repeated or by a leader that is over. */
export class Draw {
  readonly #random: Random
  readonly #model: ModelSide
  #ids = 0
  #nodes = 0
  #terms = 0
  /** The epochs so far. */
  readonly #epochs: Epoch[] = []
  #attempts: Attempt[] = []
  /** Accepts and repairs to be made once more, or late. */
  readonly #old: Step[] = []

  constructor(random: Random, model: ModelSide) {
    this.#random = random
    this.#model = model
  }

  /** The steps that make a cluster. */
  first(): Step[] {
    const joins = Array.from({ length: 5 }, (): Step[] => {
      const nodeId = this.#newNode()
      return [
        { do: 'join', nodeId },
        { do: 'boot', nodeId },
      ]
    })
    return [this.#elect(), ...joins.flat()]
  }

  /** The steps that bring all work to its end, on nodes that are all well. */
  *rest(): Generator<Step> {
    const { db } = this.#model
    for (const nodeId of this.#nodeIds()) {
      yield { do: 'uncordon', nodeId }
      yield { do: 'noteDown', epoch: db.epoch, nodeId, down: false }
      yield { do: 'boot', nodeId }
      yield { do: 'see', nodeId, boot: db.node(nodeId).incarnation, unable: null }
    }
    for (let round = 0; !this.#isAtRest(); round++) {
      assert.ok(round < 30, 'the work of the trace never ends')
      yield { do: 'pass', ms: 4 * times.passMs }
      for (const kind of ['requeueExpired', 'releaseHolds', 'releaseDue'] as const)
        yield { do: kind, epoch: db.epoch }
      for (const nodeId of this.#nodeIds()) yield* this.#workOf(nodeId)
      if (this.#model.leader.plan !== null) {
        yield { do: 'startMoves', epoch: db.epoch, limit: 100 }
        yield { do: 'settleMoves', epoch: db.epoch }
      }
      const nodes = this.#nodeIds().map((id) => this.#view(id, true))
      for (const page of [this.#model.leader.unsettled('', 100), ...this.#pages()])
        yield { do: 'apply', epoch: db.epoch, repairs: page.map((content) => plan(content, nodes)) }
    }
  }

  #pages(): ContentCopies[][] {
    return this.#nodeIds().map((nodeId) => this.#model.leader.onNode(nodeId, '', 100))
  }

  /** The node carries out all that is due. */
  *#workOf(nodeId: NodeId): Generator<Step> {
    const { db, nodes } = this.#model
    const boot = db.node(nodeId).incarnation
    const due = [...db.node(nodeId).open]
      .flatMap((cid) => db.placement(cid, nodeId) ?? [])
      .filter((p) => nodes.isDue(p, boot))
    if (due.length === 0) return
    yield { do: 'claim', nodeId, boot, jobs: due.map(({ cid, generation }) => ({ cid, generation })) }
    const finishes = due.map((p): Finish => {
      const { cid, generation } = p
      return { cid, generation, outcome: workOf(p) === 'pin' ? pinned(cid) : { kind: 'unpinned' } }
    })
    yield { do: 'finish', nodeId, boot, finishes }
  }

  #isAtRest(): boolean {
    const { unsettled, busy, releasing, holding, nodes } = this.#model.db
    const held = [...holding].filter(({ status }) => status === 'pinned').length
    const unpins = [...nodes.values()].flatMap(({ id, open }) =>
      [...open].filter((cid) => this.#model.db.placement(cid, id)?.state === 'unpinning'),
    )
    return unsettled.size + busy.size + releasing.size + held + unpins.length === 0
  }

  next(): Step {
    const kinds: [weight: number, draw: () => Step | null][] = [
      [14, () => this.#accept()],
      [4, () => this.#replace()],
      [8, () => this.#remove()],
      [22, () => this.#claim()],
      [26, () => this.#finish()],
      [4, () => this.#extend()],
      [3, () => ({ do: 'boot', nodeId: this.#node() })],
      [4, () => this.#see()],
      [3, () => this.#voidClaims()],
      [3, () => this.#reconcile()],
      [30, () => this.#leaderStep()],
      [2, () => this.#inMaintenance()],
      [4, () => ({ do: 'drain', nodeId: this.#node() })],
      [4, () => ({ do: 'uncordon', nodeId: this.#node() })],
      [2, () => this.#plan()],
      [1, () => this.#forget()],
      [1, () => this.#join()],
      [2, () => this.#elect()],
      [1, () => this.#setEpoch()],
      [8, () => ({ do: 'pass', ms: times.passMs * this.#random.int(1, 4) })],
      [3, () => ({ do: 'read' })],
      [4, () => this.#again()],
    ]
    const sum = kinds.reduce((total, [weight]) => total + weight, 0)
    for (;;) {
      let at = this.#random.int(1, sum)
      const [, draw] = kinds.find(([weight]) => (at -= weight) <= 0) ?? [0, () => null]
      const step = draw()
      if (step !== null) return step
    }
  }

  #accept(): Step {
    const orgId = this.#random.pick(orgs)
    const ranking = this.#random.shuffled(this.#nodeIds())
    const pins = Array.from({ length: this.#random.int(1, 3) }, () => this.#newPin(orgId, ranking))
    return this.#keep({ do: 'accept', pins })
  }

  /** Two pins of one content in the same batch have the same ranking of nodes, as they would have from `chooseNodes`. */
  #newPin(orgId: string, ranking: readonly NodeId[]): NewPin {
    const number = String(++this.#ids).padStart(12, '0')
    const id = idOf('pin', `00000000-0000-7000-9000-${number}`)
    const replicas = this.#random.int(1, 3)
    return {
      id,
      orgId,
      cid: this.#random.pick(cids),
      replicas,
      nodes: ranking.slice(0, this.#random.int(1, 5)),
    }
  }

  #replace(): Step | null {
    const old = this.#pin()
    if (old === null) return null
    const pin = this.#newPin(old.orgId, this.#random.shuffled(this.#nodeIds()))
    return this.#keep({ do: 'replace', old: old.id, pin })
  }

  #remove(): Step | null {
    const pin = this.#pin()
    return pin && { do: 'remove', orgId: pin.orgId, id: pin.id }
  }

  #pin(): { id: string; orgId: string } | null {
    const pins = [...this.#model.db.pins.values()]
    return pins.length === 0 ? null : this.#random.pick(pins)
  }

  #claim(): Step | null {
    const nodeId = this.#node()
    const { db, nodes } = this.#model
    const boot = this.#boot(nodeId)
    const open = [...db.node(nodeId).cids].flatMap((cid) => db.placement(cid, nodeId) ?? [])
    const jobs = this.#random
      .shuffled(open.filter(() => this.#random.chance(0.7)))
      .map(({ cid, generation, claim }) => ({
        cid,
        generation: claim !== null && this.#random.chance(0.1) ? claim.generation : generation,
      }))
    if (jobs.length === 0) return null
    for (const { cid, generation } of jobs) {
      const p = db.placement(cid, nodeId)
      if (p?.generation === generation && nodes.isDue(p, boot))
        this.#attempts.push({ nodeId, boot, cid, generation, work: workOf(p) })
    }
    return { do: 'claim', nodeId, boot, jobs }
  }

  /** The attempts of one process that are chosen to end or to go on now. */
  #some(): Attempt[] {
    if (this.#attempts.length === 0) return []
    const { nodeId, boot } = this.#random.pick(this.#attempts)
    const same = this.#attempts.filter((attempt) => attempt.nodeId === nodeId && attempt.boot === boot)
    const byCid = new Map(
      same.filter(() => this.#random.chance(0.6)).map((attempt) => [attempt.cid, attempt]),
    )
    return [...byCid.values()]
  }

  #finish(): Step | null {
    const ended = this.#some()
    const [first] = ended
    if (first === undefined) return null
    const finishes: Finish[] = ended.map(({ cid, generation, work }) => ({
      cid,
      generation,
      outcome: work === 'pin' ? this.#pinOutcome(cid) : this.#unpinOutcome(),
    }))
    // some outcomes are reported a second time
    const over = new Set(ended.filter(() => this.#random.chance(0.9)))
    this.#attempts = this.#attempts.filter((attempt) => !over.has(attempt))
    return { do: 'finish', nodeId: first.nodeId, boot: first.boot, finishes }
  }

  #pinOutcome(cid: string): Outcome {
    const { delayMs } = times
    const kubo = { errorCode: 'kubo_error', error: 'it says no' } as const
    const full = { errorCode: 'node_full', error: 'no room' } as const
    const at = this.#random.int(1, 100)
    if (at <= 56) return pinned(cid)
    if (at <= 58) return pinned(cid, true)
    if (at <= 70) return { kind: 'retry', errorCode: 'stalled', error: 'no block', delayMs }
    if (at <= 75) return { kind: 'retry', ...full, delayMs }
    if (at <= 82) return { kind: 'failed', ...full }
    if (at <= 90) return { kind: 'failed', ...kubo }
    return { kind: 'released' }
  }

  #unpinOutcome(): Outcome {
    const { delayMs } = times
    if (this.#random.chance(0.75)) return { kind: 'unpinned' }
    if (this.#random.chance(0.4)) return { kind: 'kept' }
    if (this.#random.chance(0.5)) return { kind: 'released' }
    return { kind: 'retry', errorCode: 'kubo_error', error: 'it says no', delayMs }
  }

  #extend(): Step | null {
    const under = this.#some()
    const [first] = under
    if (first === undefined) return null
    const jobs = under.map(({ cid, generation }) => ({ cid, generation }))
    return { do: 'extend', nodeId: first.nodeId, boot: first.boot, under: jobs }
  }

  #voidClaims(): Step {
    const nodeId = this.#node()
    return { do: 'voidClaims', nodeId, boot: this.#model.db.node(nodeId).incarnation }
  }

  #see(): Step {
    const nodeId = this.#node()
    const unable = this.#random.chance(0.6) ? null : this.#inability()
    return { do: 'see', nodeId, boot: this.#boot(nodeId), unable }
  }

  /** Some do not know the present epoch. */
  #elect(): Step {
    const { epoch } = this.#model.db
    const seen = this.#epochs.length > 1 && this.#random.chance(0.2) ? this.#random.pick(this.#epochs) : epoch
    this.#epochs.push(epoch)
    return { do: 'elect', seen, termId: `term-${++this.#terms}` }
  }

  #setEpoch(): Step {
    const { epoch } = this.#model.db
    this.#epochs.push(epoch)
    const isByHand = this.#random.chance(0.3)
    return {
      do: 'setEpoch',
      epoch: isByHand ? epochOf(`${numberOf(epoch) + 1}`) : this.#random.pick(this.#epochs),
    }
  }

  #reconcile(): Step {
    const nodeId = this.#node()
    const some = cids.filter(() => this.#random.chance(0.2))
    return { do: this.#random.chance(0.7) ? 'requeueMissing' : 'dropUnwanted', nodeId, cids: some }
  }

  #inMaintenance(): Step | null {
    const step = this.#leaderStep()
    return step && { do: 'inMaintenance', step }
  }

  #leaderStep(): LeaderStep | null {
    const { db, leader } = this.#model
    const epoch = this.#random.chance(0.03) ? this.#random.pick(this.#epochs) : db.epoch
    const nodeId = this.#node()
    const hasPlan = leader.plan !== null
    switch (this.#random.int(1, 18)) {
      case 1:
        return { do: 'requeueExpired', epoch }
      case 2:
        return { do: 'releaseDue', epoch }
      case 3:
        return { do: 'releaseHolds', epoch }
      case 4:
        return { do: 'noteDrained', epoch }
      case 5:
        return { do: 'noteDown', epoch, nodeId, down: this.#random.chance(0.5) }
      case 6:
        return {
          do: 'noteAway',
          epoch,
          nodeId,
          what: this.#random.pick(['kubo', 'postgres', 'silent'] as const),
        }
      case 7:
        return {
          do: 'advanceWalk',
          epoch,
          nodeId,
          afterCid: this.#random.chance(0.7) ? null : this.#random.pick(cids),
        }
      case 8:
      case 9:
        return hasPlan ? { do: 'startMoves', epoch, limit: this.#random.int(1, 4) } : null
      case 10:
        return hasPlan ? { do: 'settleMoves', epoch } : null
      case 11:
        return { do: 'noteHeard', epoch, nodeId }
      default: {
        const step: LeaderStep = { do: 'apply', epoch, repairs: this.#repairs() }
        this.#keep(step)
        return step
      }
    }
  }

  /** What a leader with some view of the nodes would do now; sometimes what no sane leader would. */
  #repairs(): Repair[] {
    const { leader } = this.#model
    const page = this.#random.chance(0.6) ? leader.unsettled('', 100) : leader.onNode(this.#node(), '', 100)
    const nodes = this.#nodeIds().map((id) => this.#view(id))
    return page
      .filter(() => this.#random.chance(0.7))
      .map((content) => (this.#random.chance(0.15) ? this.#wild(content) : plan(content, nodes)))
  }

  #view(id: NodeId, isWell = false): Node {
    const live = isWell || this.#random.chance(0.8)
    const silentMs = live ? 0 : this.#random.pick([20_000, 100_000])
    const unable = isWell || this.#random.chance(0.8) ? null : this.#inability()
    const place = { id, name: id, zone: null, multiaddrs: [], capacityBytes: 2 ** 40, usedBytes: 0 }
    const { state, isDown } = this.#model.db.node(id)
    return { ...place, state, live, silentMs, unable, down: isDown }
  }

  #inability(): Inability {
    const what = this.#random.pick(['kubo', 'postgres'] as const)
    return { what, forMs: this.#random.pick([1_000, 20_000, 100_000]), reason: 'a test' }
  }

  /** Random changes, to try the checks of the store. No leader adds and drops the same copy. */
  #wild(content: ContentCopies): Repair {
    const held = content.copies.map(({ nodeId }) => nodeId)
    const some = (ids: NodeId[], chance: number): NodeId[] => ids.filter(() => this.#random.chance(chance))
    const drop = some(held, 0.3)
    const add = some(this.#nodeIds(), 0.2).filter((id) => !drop.includes(id))
    return {
      ...leaveAsSeen(content),
      add: add.map((nodeId) => ({
        nodeId,
        reason: this.#random.pick(['repair', 'drain', 'node_down'] as const),
      })),
      drop: drop.map((nodeId) => ({ nodeId, reason: 'surplus' })),
      lose: some(held, 0.2),
      find: some(held, 0.2),
      settled: this.#random.chance(0.5),
    }
  }

  #plan(): Step | null {
    const { leader } = this.#model
    if (leader.plan !== null && !leader.plan.isApplied) return null
    const from = this.#node()
    const moves = leader
      .movable(from, '', 100)
      .filter(() => this.#random.chance(0.6))
      .map(({ cid, bytes }) => ({ cid, from, to: this.#node(), bytes, reason: 'because' }))
      .filter(({ to }) => to !== from)
    return moves.length === 0 ? null : { do: 'plan', moves }
  }

  #forget(): Step | null {
    return this.#model.db.nodes.size <= nodesAtLeast
      ? null
      : { do: 'forget', nodeId: this.#node(), acceptLoss: this.#random.chance(0.3) }
  }

  #join(): Step | null {
    return this.#model.db.nodes.size >= 6 ? null : { do: 'join', nodeId: this.#newNode() }
  }

  #again(): Step | null {
    if (this.#old.length === 0) return null
    const step = this.#random.pick(this.#old)
    // a pin that was deleted since is not accepted again
    if (step.do === 'accept' && !step.pins.every(({ id }) => this.#model.db.pins.has(id))) return null
    if (step.do === 'replace' && !this.#model.db.pins.has(step.pin.id)) return null
    return step
  }

  #keep<S extends Step>(step: S): S {
    this.#old.push(step)
    if (this.#old.length > 8) this.#old.shift()
    return step
  }

  #boot(nodeId: NodeId): number {
    const { incarnation } = this.#model.db.node(nodeId)
    return incarnation > 1 && this.#random.chance(0.05) ? incarnation - 1 : Math.max(incarnation, 1)
  }

  #node(): NodeId {
    return this.#random.pick(this.#nodeIds())
  }

  #nodeIds(): NodeId[] {
    return [...this.#model.db.nodes.keys()]
  }

  #newNode(): NodeId {
    return idOf('nod', `00000000-0000-7000-8000-${String(++this.#nodes).padStart(12, '0')}`)
  }
}

function plan(content: ContentCopies, nodes: readonly Node[]): Repair {
  return planRepair(content, nodes, policy) ?? leaveAsSeen(content)
}

function pinned(cid: string, foreignPin = false): Outcome {
  return { kind: 'pinned', blocks: 1, bytes: Number(cid.slice(4)), foreignPin }
}

function workOf({ state }: Placement): 'pin' | 'unpin' {
  return state === 'unpinning' ? 'unpin' : 'pin'
}
