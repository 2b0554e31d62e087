import { numberOf } from '../core/epoch.ts'
import type { MeasureStore } from '../core/measure-ports.ts'
import type { ClusterMeasures } from '../core/measures.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { LeaderWorker, NodeWorker } from './driver.ts'

const everyMs = 15_000

/** Asks Postgres how old this node's queue is. It only reads, so running it twice changes nothing. */
export function queueWatch(parts: {
  identity: NodeIdentity
  store: Pick<MeasureStore, 'queueOldestMs'>
  onMeasured: (oldestMs: number) => void
}): NodeWorker {
  return {
    name: 'queue-watch',
    everyMs,
    leaderOnly: false,
    async run() {
      const oldestMs = await parts.store.queueOldestMs(parts.identity)
      parts.onMeasured(oldestMs)
      return { oldestMs }
    },
  }
}

/**
 * Reads what the whole cluster holds, for the leader's metrics. The changes since the last run are added up under the leader's epoch and
 * removed in the same transaction, so running it twice, or on two nodes, counts no change twice.
 */
export function clusterMeasure(parts: {
  store: Pick<MeasureStore, 'cluster'>
  onMeasured: (measures: ClusterMeasures, epoch: number) => void
}): LeaderWorker {
  return {
    name: 'cluster-measure',
    everyMs,
    leaderOnly: true,
    async run({ epoch }) {
      const measures = await parts.store.cluster(epoch)
      parts.onMeasured(measures, numberOf(epoch))
      return { unsettled: measures.unsettled }
    },
  }
}
