import type { CacheStats } from './cache-stats.ts'
import type { Degradation } from './node.ts'

/** What a node writes about itself next to `last_seen`, as operators see it. */
export interface NodeReport {
  version: string
  leader: { epoch: number } | null
  /** How long ago this node heard each of the others, ms. */
  heard: Record<string, number>
  caches: Record<string, CacheStats>
  workers: {
    name: string
    endedAtMs: number | null
    tookMs: number | null
    failures: number
    report: object | null
  }[]
  pinning: object
  /** Why the node does not work fully. */
  reasons: Degradation[]
  /** How many pins the reconciler would remove while it waits for `admin reconcile --confirm`; null when it does not wait. */
  reconcileBlocked: number | null
}
