import type { NodeId } from './ids.ts'
import type { Held } from './measure-ports.ts'
import type { NodeStatus, NodeView } from './operator-use-cases.ts'
import type { OperatorStore } from './ports.ts'
import { leadingEpoch } from './why-waiting.ts'

/** What an older version's report does not say. */
const unsaid = {
  leader: null,
  heard: {},
  caches: {},
  workers: [],
  pinning: {},
  reasons: [],
  reconcileBlocked: null,
}

/** All nodes and what each last reported. */
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

/** With what lies on each. */
export function withHeld(statuses: NodeStatus[], held: Held[]): NodeView[] {
  return statuses.map((each) => ({ ...each, ...sumOf(held, each.node.id) }))
}

/** All placements of a node, whatever is to become of them. */
export function sumOf(held: Held[], id: NodeId): { placements: number; bytes: number } {
  const own = held.filter(({ nodeId }) => nodeId === id)
  return {
    placements: own.reduce((sum, { count }) => sum + count, 0),
    bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}
