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
  /** The peer id of its Kubo; null or missing until that Kubo was reached for the first time. */
  peerId?: string | null
  /** What the node says of its Kubo now; missing while no heartbeat says it. */
  kubo?: KuboSign
  /** Bytes; null while unknown. */
  capacityBytes: number | null
  usedBytes: number | null
  /** What an operator wants: a `draining` node gives up its content, a `drained` node has given it up. Neither takes new content. */
  state: NodeState
  /** A recent sign of the node exists: a heartbeat, or `last_seen` in Postgres. */
  live: boolean
  /**
   * How long it has been silent in Postgres, ms; but no longer than the reader has listened, since a reader that was away itself cannot
   * tell.
   */
  silentMs: number
  /** What it cannot do now; null while it can work. */
  unable: Inability | null
  /** A leader gave it up, and no leader has seen it work since. */
  down: boolean
}

/** What a node needs to work on content. */
export const abilities = ['kubo', 'postgres'] as const
export type Ability = (typeof abilities)[number]

/** Why and for how long a node has not worked, ms: it is silent, or unable. */
export interface Away {
  what: Ability | 'silent'
  forMs: number
  reason: string
}

/** A node that is live, but cannot pin and serve content: it does not reach its Kubo, or Postgres. */
export interface Inability extends Away {
  what: Ability
  /** How long it lasts, ms. Bounded as `silentMs` is. */
  forMs: number
}

/** What a node says of its own Kubo. */
export interface KuboSign {
  /** Since when it answers, ms since 1970 by the node's clock; null while it does not. Another value means that it may have restarted. */
  sinceMs: number | null
  /** It has been connected to no other node's Kubo for a while, although some of them answer. */
  alone: boolean
}

export const nodeStates = ['active', 'draining', 'drained'] as const
export type NodeState = (typeof nodeStates)[number]

/** Why this node, or something that it needs, does not work fully. */
export interface Degradation {
  what:
    | 'nats'
    | 'kubo'
    | 'postgres'
    | 'schema'
    | 'maintenance'
    | 'peer'
    | 'reconciler'
    | 'disk'
    | 'siblings'
    | 'history'
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
