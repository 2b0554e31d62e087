import type { Epoch } from '../../../src/core/epoch.ts'
import type { NodeId } from '../../../src/core/ids.ts'
import type { Away, NodeState } from '../../../src/core/node.ts'
import type { PinStatus } from '../../../src/core/pin.ts'
import type { PlacementReason, PlacementState } from '../../../src/core/placement.ts'

export interface PlacementRow {
  cid: string
  nodeId: NodeId
  orgId: string | null
  generation: number
  state: PlacementState
  reason: PlacementReason
  errorCode: string | null
  attempts: number
  attemptsBefore: number
  crashes: number
  retrying: boolean
  verify: boolean
  lost: boolean
  leaving: boolean
  isDue: boolean
  /** The content was asked for again since the claim. */
  isWoken: boolean
  /** `until` is null once its time was over and the placement was queued again. */
  claim: { boot: number; generation: number; until: 'over' | 'later' | null } | null
}

/** The rows that both sides have. Times are compared as relations: due or not, over or not. */
export interface Rows {
  contents: {
    cid: string
    wanted: number
    unsettled: boolean
    dagSize: number | null
    unpin: 'never' | 'due' | 'later'
    isLost: boolean
  }[]
  placements: PlacementRow[]
  pins: {
    id: string
    orgId: string
    cid: string
    replicas: number
    status: PinStatus
    holds: readonly string[]
  }[]
  nodes: {
    id: NodeId
    state: NodeState
    incarnation: number
    isDown: boolean
    unable: Away['what'] | null
    walkAfter: string | null
  }[]
  epoch: Epoch
}

/** One line a row, in order. Of the generations only whether the claim has the present one. */
export function linesOf({ contents, placements, pins, nodes, epoch }: Rows): string[] {
  return [
    `epoch ${epoch}`,
    ...contents.map(
      (c) =>
        `content ${c.cid}: ${c.wanted} wanted${flag('unsettled', c.unsettled)}, size ${c.dagSize}, unpin ${c.unpin}${flag('lost', c.isLost)}`,
    ),
    ...placements.map((p) => `placement ${p.cid} on ${nodeName(p.nodeId)}: ${placementInWords(p)}`),
    ...pins.map(
      (p) =>
        `pin ${p.id} of ${p.orgId}: ${p.replicas} × ${p.cid} is ${p.status}, holds ${p.holds.join() || 'nothing'}`,
    ),
    ...nodes.map(
      (n) =>
        `node ${nodeName(n.id)}: boot ${n.incarnation} ${n.state}${flag('down', n.isDown)}, unable: ${n.unable ?? 'no'}, walk ${n.walkAfter ?? 'none'}`,
    ),
  ].toSorted()
}

export function nodeName(nodeId: NodeId): string {
  return nodeId.slice(-4)
}

function placementInWords(p: PlacementRow): string {
  const marks = [
    flag('lost', p.lost),
    flag('leaving', p.leaving),
    flag('verify', p.verify),
    flag('retrying', p.retrying),
    flag('woken', p.isWoken),
    flag('due', p.isDue),
  ]
  const claim =
    p.claim === null
      ? 'no claim'
      : `claim of boot ${p.claim.boot} until ${p.claim.until}${flag('current', p.claim.generation === p.generation)}`
  return `${p.state} for ${p.reason} of ${p.orgId}${marks.join('')}, ${p.attempts} attempts since ${p.attemptsBefore}, ${p.crashes} crashes, ${p.errorCode}, ${claim}`
}

function flag(name: string, is: boolean): string {
  return is ? ` ${name}` : ''
}

/** The lines that only one side has: `-` the model, `+` Postgres. */
export function difference(model: Rows, store: Rows): string[] {
  const [ours, theirs] = [new Set(linesOf(model)), new Set(linesOf(store))]
  return [
    ...[...ours.difference(theirs)].map((line) => `- ${line}`),
    ...[...theirs.difference(ours)].map((line) => `+ ${line}`),
  ].toSorted((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1))
}
