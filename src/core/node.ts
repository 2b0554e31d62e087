import type { NodeId } from './ids.ts'

/** A machine of the cluster: one anchorage process and its Kubo, as `nodes` and its heartbeats tell. */
export interface Node {
  id: NodeId
  name: string
  zone: string | null
  /** Its Kubo's addresses, each ending in `/p2p/…`; empty until its Kubo was first met. */
  multiaddrs: string[]
  /** Bytes; null while unknown. */
  capacityBytes: number | null
  usedBytes: number | null
  cordoned: boolean
  live: boolean
}

/** Why this node, or something it needs, is not at its best. */
export interface Degradation {
  what: 'nats' | 'kubo' | 'postgres' | 'schema'
  reason: string
}
