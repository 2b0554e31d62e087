import type { NodeId } from './ids.ts'
import type { PinStatus } from './pin.ts'
import type { PlacementReason, PlacementState } from './placement.ts'
import type { Plan } from './plan.ts'

/** Placements of one kind on one node. */
export interface Held {
  nodeId: NodeId
  state: PlacementState | 'lost'
  reason: PlacementReason
  count: number
  /** Bytes of the pinned copies. */
  bytes: number
}

/** Figures of the whole cluster. Each number is exact at its own moment. */
export interface ClusterMeasures {
  pins: Record<PinStatus, number>
  /** Every placement on a node that was declared down is `lost`, whatever its state. */
  placements: { nodeId: NodeId; state: PlacementState | 'lost'; reason: PlacementReason; count: number }[]
  /** How many contents are marked for repair, counted up to a limit. */
  unsettled: number
  /** The plan that is being applied. */
  plan: Plan | null
}

/** The connections of one pool to Postgres, now. */
export interface PoolUse {
  idle: number
  busy: number
  /** Queries that wait for a connection. */
  waiting: number
}
