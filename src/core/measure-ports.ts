import type { Epoch } from './epoch.ts'
import type { Held, ClusterMeasures } from './measures.ts'
import type { NodeIdentity } from './node.ts'
import type { PinStatus } from './pin.ts'

/** The figures that operators watch. Every call costs the same, however many pins there are. */
export interface MeasureStore {
  /** For how many ms the longest waiting placement of this node has been due; 0 when no placement is due. */
  queueOldestMs(node: NodeIdentity): Promise<number>
  /**
   * Figures of the whole cluster. Adds up what changed since the last call, so it is a leader's write: `not_leading` under an old epoch.
   */
  cluster(epoch: Epoch): Promise<ClusterMeasures>
  /** The placements on each node, as of now, from one statement. */
  held(): Promise<Held[]>
  /** Pins of all orgs, as of now. */
  pins(): Promise<Record<PinStatus, number>>
  /** How many contents are marked for repair, counted up to a limit. */
  unsettled(): Promise<number>
}
