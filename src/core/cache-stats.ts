/** The data from Postgres that nodes cache. */
export type CacheName = 'nodes' | 'tokens'

export interface CacheStats {
  size: number
  hits: number
  misses: number
  /** Invalidations heard from other nodes. `flushes` counts the flushes after a reconnection. */
  invalidations: number
  flushes: number
  version: number
}
