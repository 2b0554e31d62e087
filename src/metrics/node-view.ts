import type { CacheStats } from '../core/cache-stats.ts'
import type { ClusterMeasures, PoolUse } from '../core/measures.ts'
import type { Degradation, Node } from '../core/node.ts'

/** A node as it is at a scrape, assembled from memory: a scrape asks neither Postgres nor NATS nor Kubo. */
export interface NodeView {
  nowMs: number
  /** The steady clock, for how old a value is. */
  steadyMs: number
  version: string
  ready: boolean
  /** The parts that are not well. */
  reasons: Pick<Degradation, 'what'>[]
  nodes: readonly Node[]
  /** How long ago each other node was heard, ms, by its id. */
  heard: Record<string, number>
  /** The epoch under which this node leads; null when it does not. */
  epoch: number | null
  /** When maintenance was switched on; null while it is off. */
  maintenanceSince: Date | null
  pinning: {
    queued: number
    active: number
    searching: number
    long: number
    finishing: number
    refused: number
  }
  workers: {
    name: string
    runs: number
    failures: number
    endedAtMs: number | null
    tookMs: number | null
  }[]
  reconcileBlocked: number | null
  caches: Record<string, CacheStats>
  kubo: { usedBytes: number | null; capacityBytes: number | null }
  /** The file system that holds `data.dir`; null while it cannot be read. */
  disk: { bytes: number; freeBytes: number } | null
  pools: Record<string, PoolUse>
}

/** Values that were read from Postgres a while ago. */
export interface Measured {
  /** How long the placement that waits longest on this node has been due; null before the first reading. */
  queue: { oldestMs: number; atSteadyMs: number } | null
  /** The totals of the whole cluster, read under `epoch`; null on a node that never led. */
  cluster: { measures: ClusterMeasures; epoch: number; atMs: number } | null
}
