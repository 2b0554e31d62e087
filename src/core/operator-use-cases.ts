import type { OrgId, PlanId } from './ids.ts'
import type { Node } from './node.ts'
import type { AuditCursor, AuditEntry, Maintenance, NodeReport, Plan } from './ports.ts'
import type { Move, MoveState } from './repair.ts'

/**
 * What operators do to the cluster and see of it; the same for the command line and for HTTP. `actor` is who the audit names.
 * Nodes are given by TypeID or name. Whether somebody may is the caller's business. All reject with `AnchorageError`: `not_found`
 * names the nodes that there are, `conflict` says what is in the way, `unavailable` when Postgres cannot be asked.
 */
export interface OperatorUseCases {
  /** All nodes and what lies on each; it reads the whole book. */
  nodes(): Promise<NodeView[]>
  node(node: string): Promise<NodeView>
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
  /** From now on the leader carries the plan out, or goes on with it after a pause. Repeating it changes nothing. */
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

/** The same, and what lies on it by the book. */
export interface NodeView extends NodeStatus {
  placements: number
  bytes: number
}

/** How far the drain of a node is. */
export interface DrainView {
  node: Node
  /** Placements still on it. */
  left: number
  /** Of these, whose copy elsewhere is under way. */
  moving: number
  /** Of these, that the leader is yet to look at, or that have no other place to go to. */
  waiting: number
  bytesLeft: number
  /** Why it does not go on by itself, in words; null while it does, and when there is no drain. */
  waits: string | null
}

/** A plan, and why it does not go on by itself. */
export interface PlanView {
  plan: Plan
  waits: string | null
}

export type PlannedMove = Move & { number: number; state: MoveState; note: string | null }

/** What an operator changed and nodes keep in memory: told, they read it now instead of seconds later. */
export type Announcement = { what: 'nodes' } | { what: 'maintenance'; maintenance: Maintenance | null }
