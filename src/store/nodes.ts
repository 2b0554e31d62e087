import { AnchorageError } from '../core/errors.ts'
import { idOf, mintId, uuidOf } from '../core/ids.ts'
import type { Node, NodeState } from '../core/node.ts'
import type { NodeIdentity } from '../core/ports.ts'
import type { SystemTx } from './database.ts'

/** Beyond this `last_seen` no longer counts as a sign of life; it is written every 10 s. */
const freshMs = 30_000

/** Makes or finds the node called `name` and starts a new incarnation of it: claims of the older ones are void. */
export async function bootNode(tx: SystemTx, name: string): Promise<NodeIdentity> {
  const [row] = await tx.query<{ id: string; incarnation: number }>(
    `insert into nodes (id, name) values ($1, $2)
     on conflict (name) do update set incarnation = nodes.incarnation + 1, last_seen = now()
     returning id, incarnation`,
    [uuidOf(mintId('nod')), name],
  )
  if (!row) throw new AnchorageError('internal', 'a node could not be registered')
  return { nodeId: idOf('nod', row.id), incarnation: row.incarnation }
}

/** Requeues what earlier incarnations were in the middle of; at most `limit` a call, returns how many there were. */
export async function voidClaims(tx: SystemTx, node: NodeIdentity, limit: number): Promise<number> {
  const [row] = await tx.query<{ n: number }>('select void_claims($1, $2, $3) as n', [
    uuidOf(node.nodeId),
    node.incarnation,
    limit,
  ])
  return row?.n ?? 0
}

/** What a node says of itself every ten seconds. */
export interface Sign {
  usedBytes: number | null
  capacityBytes: number | null
}

/** Notes a sign of life; false when another process has started as this node since. */
export async function seeNode(tx: SystemTx, node: NodeIdentity, sign: Sign): Promise<boolean> {
  const rows = await tx.query(
    `update nodes set last_seen = now(), used_bytes = coalesce($3, used_bytes), capacity_bytes = coalesce($4, capacity_bytes)
     where id = $1 and incarnation = $2 returning id`,
    [uuidOf(node.nodeId), node.incarnation, sign.usedBytes, sign.capacityBytes],
  )
  return rows.length > 0
}

/**
 * Binds the node to its Kubo, for ever: `conflict` when it was bound to another peer id, since then its placements would speak
 * of a repository that is not there.
 */
export async function bindKubo(
  tx: SystemTx,
  node: NodeIdentity,
  kubo: { peerId: string; multiaddrs: string[] },
): Promise<void> {
  const rows = await tx.query(
    `update nodes set peer_id = $2, multiaddrs = $3 where id = $1 and (peer_id is null or peer_id = $2) returning id`,
    [uuidOf(node.nodeId), kubo.peerId, kubo.multiaddrs],
  )
  if (rows.length > 0) return
  const [bound] = await tx.query<{ peer_id: string }>('select peer_id from nodes where id = $1', [
    uuidOf(node.nodeId),
  ])
  throw new AnchorageError(
    'conflict',
    `this node belongs to the Kubo ${bound?.peer_id}, and kubo.rpc leads to ${kubo.peerId}: give it its own Kubo, or this Kubo a node of another node.name`,
  )
}

interface NodeRow {
  id: string
  name: string
  zone: string | null
  multiaddrs: string[]
  capacity_bytes: number | null
  used_bytes: number | null
  state: NodeState
  live: boolean
  silent_ms: number
}

/** All nodes; `live` as their `last_seen` tells. */
export async function listNodes(tx: SystemTx): Promise<Node[]> {
  const rows = await tx.query<NodeRow>(
    `select id, name, zone, multiaddrs, capacity_bytes, used_bytes, state,
       (extract(epoch from now() - last_seen) * 1000)::bigint as silent_ms, last_seen > now() - make_interval(secs => $1 / 1000.0) as live from nodes order by name`,
    [freshMs],
  )
  return rows.map((row) => ({
    id: idOf('nod', row.id),
    name: row.name,
    zone: row.zone,
    multiaddrs: row.multiaddrs,
    capacityBytes: row.capacity_bytes,
    usedBytes: row.used_bytes,
    state: row.state,
    live: row.live,
    silentMs: row.silent_ms,
  }))
}

/** The cluster's id: Kubo pins carry it as their name. */
export async function clusterId(tx: SystemTx): Promise<string> {
  const [row] = await tx.query<{ cluster_id: string }>('select cluster_id from cluster')
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  return row.cluster_id
}

/** The next epoch: every later leader's is greater, whoever it is. */
export async function nextEpoch(tx: SystemTx): Promise<number> {
  const [row] = await tx.query<{ epoch: number }>('update cluster set epoch = epoch + 1 returning epoch')
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  return row.epoch
}

/** Makes the audit log's coming partitions. */
export async function extendAudit(tx: SystemTx): Promise<void> {
  await tx.query('select audit_extend()')
}
