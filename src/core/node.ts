import { createHash } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
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
  /** What an operator wants of it: `draining` gives up its content, `drained` has given it up. Neither takes new content. */
  state: NodeState
  /** A sign of it is fresh: its heartbeat, or its `last_seen` in Postgres. */
  live: boolean
  /** Since its last sign in Postgres, by the database's clock, ms. */
  silentMs: number
}

export const nodeStates = ['active', 'draining', 'drained'] as const
export type NodeState = (typeof nodeStates)[number]

/** Why this node, or something it needs, is not at its best. */
export interface Degradation {
  what: 'nats' | 'kubo' | 'postgres' | 'schema' | 'maintenance' | 'peer' | 'reconciler' | 'disk'
  reason: string
}

/**
 * Where a node's Kubo is reached, for `delegates`: at least one, since the spec demands it. A node whose Kubo was never met yet
 * has none to tell; it shows a name that cannot be resolved (RFC 2606) and a peer id made of its own id.
 */
export function addressesOf({ id, multiaddrs }: Pick<Node, 'id' | 'multiaddrs'>): string[] {
  if (multiaddrs.length > 0) return multiaddrs
  const digest = createHash('sha256').update(id).digest()
  const peerId = base58btc.baseEncode(Buffer.concat([Buffer.from([0x12, 0x20]), digest]))
  return [`/dns4/${id.replace('_', '-')}.invalid/tcp/4001/p2p/${peerId}`]
}
