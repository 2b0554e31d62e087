import type { PlanId, NodeId } from './ids.ts'

export interface NewPlan {
  id: PlanId
  actor: string
  /** The figures behind the plan, for people: shares before and after, and how many bytes move. */
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

/** A plan with its moves under way. All figures are of one moment. */
export interface PlanUnderWay extends Plan {
  moving: number
  /** How many bytes of the moves under way have arrived. */
  bytesArrived: number
}

/** A plan, and why it does not continue by itself. */
export interface PlanView {
  plan: PlanUnderWay
  waits: string | null
}

export const planStates = ['planned', 'applying', 'paused', 'applied', 'cancelled'] as const
export type PlanState = (typeof planStates)[number]

/** One move of a plan. */
export interface Move {
  cid: string
  from: NodeId
  to: NodeId
  bytes: number
  reason: string
}

export const moveStates = ['planned', 'moving', 'done', 'skipped'] as const
export type MoveState = (typeof moveStates)[number]

export type PlannedMove = Move & { number: number; state: MoveState; note: string | null }
