import type { OrgId, PlanId } from './ids.ts'
import type { MissingCopies } from './missing-copies.ts'
import type { Node } from './node.ts'
import type { PinStatus } from './pin.ts'
import type { Plan, PlanUnderWay } from './plan-ports.ts'
import type { AuditCursor, AuditEntry, DrainProgress, Maintenance, NodeReport } from './ports.ts'
import type { Move, MoveState } from './repair.ts'

/**
 * What operators do to the cluster and see of it; the same for the command line and for HTTP. `actor` is who the audit names.
 * Nodes are given by TypeID or name. Whether somebody may is the caller's business. All reject with `AnchorageError`: `not_found`
 * names the nodes that there are, `conflict` says what is in the way, `unavailable` when Postgres cannot be asked.
 */
export interface OperatorUseCases {
  /** All nodes and what lies on each; as cheap however much that is. */
  nodes(): Promise<NodeView[]>
  node(node: string): Promise<NodeView>
  /** The whole cluster in one look; as cheap however many pins there are. */
  status(): Promise<ClusterStatus>
  /** All nodes as they last reported: cheap. */
  statuses(): Promise<NodeStatus[]>
  /** The node takes no new content, and what it has goes to others. Repeating it changes nothing; it returns at once. */
  drain(node: string, actor: string): Promise<DrainView>
  /** How far the drain of a node is. */
  drainOf(node: string): Promise<DrainView>
  /** The node takes new content again; what was moved stays where it is. */
  uncordon(node: string, actor: string): Promise<Node>
  /** Takes the node out of the book; `conflict` while it lives, or holds what is pinned nowhere else. Returns what it was. */
  forget(node: string, actor: string): Promise<Node>
  maintenance(): Promise<Maintenance | null>
  /** Replaces what was set before. `ttlMs` null: until switched off. `invalid` without a reason. */
  beginMaintenance(asked: { reason: string; ttlMs: number | null }, actor: string): Promise<Maintenance>
  /** Switches it off; what it was, or null when it was off. */
  endMaintenance(actor: string): Promise<Maintenance | null>
  /** Makes and saves a plan of moves that even out the nodes. Nothing moves until it is applied. */
  makePlan(actor: string, signal: AbortSignal): Promise<Plan>
  plans(limit: number): Promise<Plan[]>
  plan(id: PlanId): Promise<PlanView>
  moves(id: PlanId, afterNumber: number, limit: number): Promise<PlannedMove[]>
  /** Every move of the plan, in its order, a page at a time. */
  allMoves(id: PlanId): AsyncIterable<PlannedMove[]>
  /** From now on the leader carries the plan out, or goes on with it after a pause. Repeating it changes nothing, nor does it when it is carried out already. */
  applyPlan(id: PlanId, actor: string): Promise<PlanView>
  /** No further move is begun; those under way end. */
  pausePlan(id: PlanId, actor: string): Promise<PlanView>
  /** As a pause, for good. */
  cancelPlan(id: PlanId, actor: string): Promise<PlanView>
  /** Newest first; with `after`, what comes after it, oldest first. */
  audit(query: { limit: number; orgId?: OrgId; after?: AuditCursor }): Promise<AuditEntry[]>
  /** Entries of the denylist whose tokens are over anyway go; how many. */
  pruneDenylist(): Promise<number>
  /** Lets the reconciler of a node, which stopped before too many removals, go on once; `conflict` when it did not stop. */
  confirmReconcile(node: string, actor: string): Promise<NodeStatus>
}

/** A node, and what it last said of itself. */
export interface NodeStatus {
  node: Node
  report: NodeReport | null
  reportedAt: Date | null
  /** The epoch under which it leads; null when it does not. */
  leads: number | null
}

/** The same, and the placements on it by the book, with the bytes of those that stand. */
export interface NodeView extends NodeStatus {
  placements: number
  bytes: number
}

/** How far the drain of a node is. */
export interface DrainView extends DrainProgress {
  node: Node
  /** Why it does not go on by itself, in words; null while it does, and when there is no drain. */
  waits: string | null
}

/** A plan, and why it does not go on by itself. */
export interface PlanView {
  plan: PlanUnderWay
  waits: string | null
}

export type PlannedMove = Move & { number: number; state: MoveState; note: string | null }

/** What an operator changed and nodes keep in memory: told, they read it now instead of seconds later. */
export type Announcement = { what: 'nodes' } | { what: 'maintenance'; maintenance: Maintenance | null }

/** The whole cluster in one look. */
export interface ClusterStatus {
  nodes: NodeView[]
  maintenance: Maintenance | null
  pins: Record<PinStatus, number>
  /** Placements of all nodes that somebody is to work on. */
  work: { queued: number; pinning: number; unpinning: number }
  drains: NodeDrain[]
  /** Those that are carried out or paused. */
  plans: PlanView[]
  copies: MissingCopies
  /** Contents that repair is to look at, counted up to a limit. */
  unsettled: number
  /** The first few of these of which fewer copies stand than are wanted. */
  short: ShortContent[]
  /** What does not pass by itself, worst first. */
  needs: Need[]
}

/** A node that gives up what it has. */
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

/** What a person is to see to. */
export interface Need {
  /** The node or plan that it is about; null: the cluster. */
  about: string | null
  reason: string
  /** A command that mends or shows it; null where none does. */
  command: string | null
}
