import type { NodeId, OrgId, PlanId } from './ids.ts'

/** A stored number that differs from the rows that it sums up. */
export interface Miscount {
  /** The org, node or plan that the number is about. */
  id: OrgId | NodeId | PlanId
  /** The org's slug or the node's name; null for a plan, and for what does not exist any more. */
  name: string | null
  /** What is counted: `pins`, `bytes`, `placements`, … */
  counter: string
  /** Which of several such numbers: for pins their status and bucket, for placements their state and reason. */
  key: Readonly<Record<string, string | number>>
  /** The stored number. */
  kept: number
  /** What the rows add up to. */
  counted: number
}

/** The result of a recount. */
export interface Recount {
  /** How many orgs, nodes and plans were looked at. */
  orgs: number
  nodes: number
  plans: number
  /** How many numbers were wrong. */
  wrong: number
  /** The first thousand of these. */
  miscounts: Miscount[]
}
