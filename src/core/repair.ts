import type { NodeId } from './ids.ts'
import type { PinErrorCode } from './pin.ts'
import type { PlacementReason, PlacementState } from './placement.ts'

/** One placement as repair sees it. */
export interface Copy {
  nodeId: NodeId
  generation: number
  state: PlacementState
  errorCode: PinErrorCode | null
  /** On a node that was given up for down: it counts for nothing until its node is back. */
  lost: boolean
  /** Given up on purpose (a move of a plan): it serves as a source, counts for nothing, and goes once the wanted copies stand. */
  leaving: boolean
}

/** One content with all its placements. */
export interface ContentCopies {
  cid: string
  /** How many copies its pins want; 0 when no pin is left. */
  wanted: number
  /** Bytes; null until it was first pinned. */
  dagSize: number | null
  copies: Copy[]
}

/** Why a copy is let go, for the audit. */
export type DropReason = 'drain' | 'rebalance' | 'surplus' | 'node_full' | 'node_down'

/** What to change for one content, decided from `seen`; whoever applies it finds the same copies under the lock, or changes nothing. */
export interface Repair {
  cid: string
  /** The copies that it was decided from: node and generation and state. */
  seen: Pick<Copy, 'nodeId' | 'generation' | 'state'>[]
  add: { nodeId: NodeId; reason: PlacementReason }[]
  /** These are to be unpinned. */
  drop: { nodeId: NodeId; reason: DropReason }[]
  /** These no longer count: their nodes are down. */
  lose: NodeId[]
  /** These count again: their nodes are back. */
  find: NodeId[]
  /** Nothing more is to be done for it now; else it is looked at again at the next run. */
  settled: boolean
}

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

export const planStates = ['planned', 'applying', 'paused', 'applied', 'cancelled'] as const
export type PlanState = (typeof planStates)[number]
