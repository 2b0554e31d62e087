import type { NodeId } from './ids.ts'
import type { Held } from './measures.ts'
import type { NodeReport } from './node-report.ts'
import type { Node } from './node.ts'
import type { OperatorStore } from './ports.ts'
import { leadingEpoch } from './why-waiting.ts'

/** A node and its last report. */
export interface NodeStatus {
  node: Node
  report: NodeReport | null
  reportedAt: Date | null
  /** The epoch under which it leads; null when it does not. */
  leads: number | null
}

/** The same, with the number of its placements in Postgres and the bytes of the pinned ones. */
export interface NodeView extends NodeStatus {
  placements: number
  bytes: number
}

/** Defaults for fields that the report of an older version lacks. */
const unsaid = {
  leader: null,
  heard: {},
  caches: {},
  workers: [],
  pinning: {},
  reasons: [],
  reconcileBlocked: null,
}

/** All nodes with their last reports. */
export async function statusesOf(store: OperatorStore): Promise<NodeStatus[]> {
  const reports = await store.reports()
  const epoch = leadingEpoch(reports)
  return reports.map(({ node, report, reportedAt }) => ({
    node,
    report: report && { ...unsaid, ...report },
    reportedAt,
    leads: node.live && report?.leader?.epoch === epoch ? epoch : null,
  }))
}

/** Adds the number and bytes of the placements on each node. */
export function withHeld(statuses: NodeStatus[], held: Held[]): NodeView[] {
  return statuses.map((each) => ({ ...each, ...sumOf(held, each.node.id) }))
}

/** The sum of all placements of a node, also those that are to be removed. */
export function sumOf(held: Held[], id: NodeId): { placements: number; bytes: number } {
  const own = held.filter(({ nodeId }) => nodeId === id)
  return {
    placements: own.reduce((sum, { count }) => sum + count, 0),
    bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}
