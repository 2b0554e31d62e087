import { createHash } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import type { NodeId } from './ids.ts'

/** One machine of the cluster: an anchorage process and its Kubo, as known from the table `nodes` and from heartbeats. */
export interface Node {
  id: NodeId
  name: string
  zone: string | null
  /** The addresses of its Kubo, each ending in `/p2p/…`; empty until that Kubo was reached for the first time. */
  multiaddrs: string[]
  /** Bytes; null while unknown. */
  capacityBytes: number | null
  usedBytes: number | null
  /** What an operator wants: a `draining` node gives up its content, a `drained` node has given it up. Neither takes new content. */
  state: NodeState
  /** A recent sign of the node exists: a heartbeat, or `last_seen` in Postgres. */
  live: boolean
  /** How long ago its last sign in Postgres was, by the database's clock, ms. */
  silentMs: number
}

export const nodeStates = ['active', 'draining', 'drained'] as const
export type NodeState = (typeof nodeStates)[number]

/** Why this node, or something that it needs, does not work fully. */
export interface Degradation {
  what: 'nats' | 'kubo' | 'postgres' | 'schema' | 'maintenance' | 'peer' | 'reconciler' | 'disk' | 'history'
  reason: string
}

/**
 * The addresses of a node's Kubo, for `delegates`. The spec demands at least one. A node whose Kubo was never reached has none, so it shows
 * a name that cannot be resolved (RFC 2606) and a peer id made from its own id.
 */
export function addressesOf({ id, multiaddrs }: Pick<Node, 'id' | 'multiaddrs'>): string[] {
  if (multiaddrs.length > 0) return multiaddrs
  const digest = createHash('sha256').update(id).digest()
  const peerId = base58btc.baseEncode(Buffer.concat([Buffer.from([0x12, 0x20]), digest]))
  return [`/dns4/${id.replace('_', '-')}.invalid/tcp/4001/p2p/${peerId}`]
}

/** This process: its node, and which boot of it. Claims of an older incarnation are void. */
export interface NodeIdentity {
  nodeId: NodeId
  incarnation: number
}
