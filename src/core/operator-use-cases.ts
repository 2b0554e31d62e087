import type { OrgId, PlanId } from './ids.ts'
import type { MissingCopies } from './missing-copies.ts'
import type { Node } from './node.ts'
import type { PinStatus } from './pin.ts'
import type { Plan, PlanUnderWay } from './plan-ports.ts'
import type { AuditCursor, AuditEntry, DrainProgress, Maintenance, NodeReport } from './ports.ts'
import type { Move, MoveState } from './repair.ts'

/**
 * What operators do to the cluster and see of it, the same for the command line and for HTTP. `actor` is the name in the audit. Nodes are
 * given by TypeID or name. The caller checks whether somebody may do this. All methods reject with `AnchorageError`: `not_found` lists the
 * existing nodes, `conflict` says what is in the way, `unavailable` means that Postgres cannot be asked.
 */
export interface OperatorUseCases {
  /** All nodes, and the number and bytes of placements on each. The cost does not grow with the placements. */
  nodes(): Promise<NodeView[]>
  node(node: string): Promise<NodeView>
  /** The status of the whole cluster. The cost does not grow with the pins. */
  status(): Promise<ClusterStatus>
  /** All nodes with their last reports. Cheap. */
  statuses(): Promise<NodeStatus[]>
  /** The node takes no new content, and its content moves to other nodes. Returns at once. Repeating it changes nothing. */
  drain(node: string, actor: string): Promise<DrainView>
  /** The progress of a node's drain. */
  drainOf(node: string): Promise<DrainView>
  /** The node takes new content again. Content that has moved does not come back. */
  uncordon(node: string, actor: string): Promise<Node>
  /**
   * Deletes the node from the database. `conflict` while it is live, or holds content that is pinned nowhere else. Returns the deleted
   * node.
   */
  forget(node: string, actor: string): Promise<Node>
  maintenance(): Promise<Maintenance | null>
  /** Replaces an earlier maintenance. With `ttlMs` null it stays on until it is switched off. `invalid` without a reason. */
  beginMaintenance(asked: { reason: string; ttlMs: number | null }, actor: string): Promise<Maintenance>
  /** Switches maintenance off. Returns the maintenance that was on, or null when none was. */
  endMaintenance(actor: string): Promise<Maintenance | null>
  /** Makes and saves a plan of moves that even out the nodes. Nothing moves until it is applied. */
  makePlan(actor: string, signal: AbortSignal): Promise<Plan>
  plans(limit: number): Promise<Plan[]>
  plan(id: PlanId): Promise<PlanView>
  moves(id: PlanId, afterNumber: number, limit: number): Promise<PlannedMove[]>
  /** Every move of the plan, in the plan's order, a page at a time. */
  allMoves(id: PlanId): AsyncIterable<PlannedMove[]>
  /**
   * From now on the leader carries the plan out, or resumes it after a pause. Changes nothing when the plan is being applied already, or
   * has been applied.
   */
  applyPlan(id: PlanId, actor: string): Promise<PlanView>
  /** The leader starts no further move. Moves under way finish. */
  pausePlan(id: PlanId, actor: string): Promise<PlanView>
  /** Stops the plan as a pause does, for good. */
  cancelPlan(id: PlanId, actor: string): Promise<PlanView>
  /** Newest first. With `after`, the entries after it, oldest first. */
  audit(query: { limit: number; orgId?: OrgId; after?: AuditCursor }): Promise<AuditEntry[]>
  /** Deletes the denylist entries of tokens that are over anyway. Returns how many. */
  pruneDenylist(): Promise<number>
  /** Lets a node's reconciler, which stopped before too many removals, continue once. `conflict` when it has not stopped. */
  confirmReconcile(node: string, actor: string): Promise<NodeStatus>
}

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

/** The progress of a node's drain. */
export interface DrainView extends DrainProgress {
  node: Node
  /** Why the drain does not continue by itself, in words. Null while it continues, and when there is no drain. */
  waits: string | null
}

/** A plan, and why it does not continue by itself. */
export interface PlanView {
  plan: PlanUnderWay
  waits: string | null
}

export type PlannedMove = Move & { number: number; state: MoveState; note: string | null }

/** A change by an operator to something that nodes keep in memory. Nodes that receive it read the change now instead of seconds later. */
export type Announcement = { what: 'nodes' } | { what: 'maintenance'; maintenance: Maintenance | null }

/** The status of the whole cluster. */
export interface ClusterStatus {
  nodes: NodeView[]
  maintenance: Maintenance | null
  pins: Record<PinStatus, number>
  /** Placements on all nodes that are waiting for work or being worked on. */
  work: { queued: number; pinning: number; unpinning: number }
  drains: NodeDrain[]
  /** The plans that are being applied or are paused. */
  plans: PlanView[]
  copies: MissingCopies
  /** How many contents are marked for repair, counted up to a limit. */
  unsettled: number
  /** The first few of these contents that have fewer pinned copies than are wanted. */
  short: ShortContent[]
  /** What does not go away by itself, worst first. */
  needs: Need[]
}

/** A node that gives up its content. */
export interface NodeDrain {
  node: Node
  left: number
  bytesLeft: number
  waits: string | null
}

export interface ShortContent {
  cid: string
  wanted: number
  stands: number
}

/** Something that a person has to do. */
export interface Need {
  /** The node or plan that it is about; null for the cluster. */
  about: string | null
  reason: string
  /** A command that fixes or shows it; null when there is none. */
  command: string | null
}
