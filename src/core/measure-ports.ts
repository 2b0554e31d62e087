import type { NodeId } from './ids.ts'
import type { PinStatus } from './pin.ts'
import type { PlacementReason, PlacementState } from './placement.ts'
import type { Plan } from './plan-ports.ts'
import type { NodeIdentity } from './ports.ts'

/** What operators watch. Every call costs the same however many pins there are. */
export interface MeasureStore {
  /** For how many ms the placement of this node that waits longest has been due; 0 when none is. */
  queueOldestMs(node: NodeIdentity): Promise<number>
  /** What the whole cluster holds. Adds up what changed since the last call, so it is a leader's write: `not_leading` under an old epoch. */
  cluster(epoch: number): Promise<ClusterMeasures>
  /** What lies on the nodes, as of now, from one statement. */
  held(): Promise<Held[]>
  /** Pins of all orgs, as of now. */
  pins(): Promise<Record<PinStatus, number>>
  /** Contents that repair is to look at, counted up to a limit. */
  unsettled(): Promise<number>
}

/** Placements of one kind on one node. */
export interface Held {
  nodeId: NodeId
  state: PlacementState | 'lost'
  reason: PlacementReason
  count: number
  /** Bytes of those that stand. */
  bytes: number
}

/** What the cluster holds; each number is exact at its own moment. */
export interface ClusterMeasures {
  pins: Record<PinStatus, number>
  /** On a node that was given up for down every placement is `lost`, whatever its state. */
  placements: { nodeId: NodeId; state: PlacementState | 'lost'; reason: PlacementReason; count: number }[]
  /** Contents that repair is to look at, counted up to a limit. */
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
