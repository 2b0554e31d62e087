import type { Epoch } from './epoch.ts'
import type { NodeId, PlanId } from './ids.ts'
import type { Job } from './placement.ts'
import type { Move, MoveState, NewPlan, Plan, PlanUnderWay } from './plan.ts'

/** Plans of moves. Reading and saving need no leadership, but starting moves does. */
export interface PlanStore {
  /** Pinned copies on `nodeId` that may be moved: their bytes, and all nodes that hold the content in any state. */
  movable(
    nodeId: NodeId,
    afterCid: string,
    limit: number,
  ): Promise<{ cid: string; bytes: number; holders: NodeId[] }[]>
  /** For every node the bytes and placements that are to stay there, from all placements. A plan is made from this. */
  usage(): Promise<{ nodeId: NodeId; placements: number; bytes: number }[]>
  savePlan(plan: NewPlan, pages: AsyncIterable<Move[]>): Promise<Plan>
  /** `not_found` when there is no such plan. */
  plan(id: PlanId): Promise<PlanUnderWay>
  plans(limit: number): Promise<Plan[]>
  moves(
    id: PlanId,
    afterNumber: number,
    limit: number,
  ): Promise<(Move & { number: number; state: MoveState; note: string | null })[]>
  /** `conflict` when the plan's present state does not allow it. Audited. */
  setPlanState(id: PlanId, state: 'applying' | 'paused' | 'cancelled', actor: string): Promise<Plan>
  /** The oldest plan that is being applied; otherwise a stopped plan with moves under way, so that their ends can be noted; otherwise null. */
  applying(): Promise<Plan | null>
  /**
   * Begins at most `limit` planned moves within `bytes`: the new copy is added (`rebalance`), and the old one becomes `leaving`. A move
   * that no longer fits is skipped with a note.
   */
  startMoves(
    epoch: Epoch,
    id: PlanId,
    limit: number,
    bytes: number,
  ): Promise<{ jobs: Job[]; started: number; skipped: number }>
  /** Marks moves whose old copy is gone as done. The plan is `applied` when none is left. */
  settleMoves(epoch: Epoch, id: PlanId): Promise<{ done: number; left: number }>
}
