import type { NodeId, PlanId } from './ids.ts'
import type { Job } from './placement.ts'
import type { Move, MoveState, PlanState } from './repair.ts'

/** Plans of moves. Reading and saving need no leadership; starting moves does. */
export interface PlanStore {
  /** Pinned copies on `nodeId` that a move may take: bytes, and all nodes that hold the content in any state. */
  movable(
    nodeId: NodeId,
    afterCid: string,
    limit: number,
  ): Promise<{ cid: string; bytes: number; holders: NodeId[] }[]>
  /** Bytes and placements that are to stay on every node, by the whole book: what a plan is made from. */
  usage(): Promise<{ nodeId: NodeId; placements: number; bytes: number }[]>
  savePlan(plan: NewPlan, pages: AsyncIterable<Move[]>): Promise<Plan>
  /** `not_found` when there is none. */
  plan(id: PlanId): Promise<PlanUnderWay>
  plans(limit: number): Promise<Plan[]>
  moves(
    id: PlanId,
    afterNumber: number,
    limit: number,
  ): Promise<(Move & { number: number; state: MoveState; note: string | null })[]>
  /** `conflict` when the plan is not in a state from which this is possible. Audited. */
  setPlanState(id: PlanId, state: 'applying' | 'paused' | 'cancelled', actor: string): Promise<Plan>
  /** The plan being applied, oldest first; else one that was stopped with moves under way, for these to be noted; else null. */
  applying(): Promise<Plan | null>
  /** Begins at most `limit` planned moves within `bytes`: the copy is added (`rebalance`), the old one is `leaving`; a move that no longer fits is skipped with a note. */
  startMoves(
    epoch: number,
    id: PlanId,
    limit: number,
    bytes: number,
  ): Promise<{ jobs: Job[]; started: number; skipped: number }>
  /** Notes the moves whose old copy is gone as done; the plan is `applied` when none is left. */
  settleMoves(epoch: number, id: PlanId): Promise<{ done: number; left: number }>
}

export interface NewPlan {
  id: PlanId
  actor: string
  /** What the numbers are made of, for people: shares before and after, how many bytes. */
  summary: Record<string, unknown>
}

export interface Plan extends NewPlan {
  state: PlanState
  createdAt: Date
  moves: number
  bytes: number
  done: number
  skipped: number
  bytesDone: number
  bytesSkipped: number
}

/** With what is under way; all figures are of one moment. */
export interface PlanUnderWay extends Plan {
  moving: number
  /** Of what moves, what has arrived. */
  bytesArrived: number
}
