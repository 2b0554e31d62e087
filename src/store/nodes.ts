import { AnchorageError } from '../core/errors.ts'
import { idOf, mintId, uuidOf, type NodeId } from '../core/ids.ts'
import type { NodeReport } from '../core/node-report.ts'
import type { Node, NodeState, NodeIdentity } from '../core/node.ts'
import type { SystemTx } from './database.ts'

/** A `last_seen` that is older than this is no sign of life; it is written every 10 s. */
export const freshMs = 15_000

/** Makes or finds the node called `name` and starts a new incarnation of it: claims of the older ones are void. */
export async function bootNode(tx: SystemTx, name: string, zone: string | null): Promise<NodeIdentity> {
  const [row] = await tx.query<{ id: string; incarnation: number }>(
    `insert into nodes (id, name, zone) values ($1, $2, $3)
     on conflict (name) do update set incarnation = nodes.incarnation + 1, last_seen = now(), zone = excluded.zone
     returning id, incarnation`,
    [uuidOf(mintId('nod')), name, zone],
  )
  if (!row) throw new AnchorageError('internal', 'a node could not be registered')
  return { nodeId: idOf('nod', row.id), incarnation: row.incarnation }
}

/** Requeues the placements that earlier incarnations were working on, at most `limit` a call; returns how many there were. */
export async function voidClaims(tx: SystemTx, node: NodeIdentity, limit: number): Promise<number> {
  const [row] = await tx.query<{ n: number }>('select void_claims($1, $2, $3) as n', [
    uuidOf(node.nodeId),
    node.incarnation,
    limit,
  ])
  return row?.n ?? 0
}

/** What a node reports about itself every ten seconds. */
export interface Sign {
  usedBytes: number | null
  capacityBytes: number | null
  /** Shown to operators; when it is left out, the last report stays. */
  report?: NodeReport
}

/** Notes a sign of life; false when another process has started as this node since. */
export async function seeNode(tx: SystemTx, node: NodeIdentity, sign: Sign): Promise<boolean> {
  const rows = await tx.query(
    `update nodes set last_seen = now(), used_bytes = coalesce($3, used_bytes), capacity_bytes = coalesce($4, capacity_bytes),
       report = coalesce($5, report), reported_at = case when $5::jsonb is null then reported_at else now() end
     where id = $1 and incarnation = $2 returning id`,
    [uuidOf(node.nodeId), node.incarnation, sign.usedBytes, sign.capacityBytes, sign.report ?? null],
  )
  return rows.length > 0
}

/**
 * Binds the node to its Kubo, for ever: `conflict` when it is bound to another peer id, since its placements describe the repository of
 * that Kubo.
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
    `this node belongs to the Kubo ${bound?.peer_id}, but kubo.rpc is the address of ${kubo.peerId}: set ` +
      "kubo.rpc to this node's own Kubo, or use this Kubo with a new node.name",
  )
}

/** A row of `nodes` as `nodeColumns` reads it. */
export interface NodeRow {
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

export const nodeColumns = `id, name, zone, multiaddrs, capacity_bytes, used_bytes, state,
  (extract(epoch from clock_timestamp() - last_seen) * 1000)::bigint as silent_ms,
  last_seen > clock_timestamp() - make_interval(secs => ${freshMs} / 1000.0) as live`

export function nodeOf(row: NodeRow): Node {
  return {
    id: idOf('nod', row.id),
    name: row.name,
    zone: row.zone,
    multiaddrs: row.multiaddrs,
    capacityBytes: row.capacity_bytes,
    usedBytes: row.used_bytes,
    state: row.state,
    live: row.live,
    silentMs: row.silent_ms,
  }
}

/** All nodes; `live` depends on `last_seen` alone. */
export async function listNodes(tx: SystemTx): Promise<Node[]> {
  return (await readNodes(tx)).nodes
}

/** As `listNodes`, and the version of the newest change of the nodes that this includes. */
export async function readNodes(tx: SystemTx): Promise<{ nodes: Node[]; version: number }> {
  const rows = await tx.query<NodeRow & { version: number }>(
    `select ${nodeColumns}, (select version from cache_versions where cache = 'nodes') as version from nodes order by name`,
  )
  return { nodes: rows.map(nodeOf), version: rows[0]?.version ?? 0 }
}

/** Saves where the other nodes' nats-servers reach this node's, host:port; null when they cannot. */
export async function setRoute(tx: SystemTx, node: NodeIdentity, route: string | null): Promise<void> {
  await tx.query('update nodes set route = $3 where id = $1 and incarnation = $2', [
    uuidOf(node.nodeId),
    node.incarnation,
    route,
  ])
}

/** The routes of all nodes that have one. */
export async function routes(tx: SystemTx): Promise<{ nodeId: NodeId; name: string; route: string }[]> {
  const rows = await tx.query<{ id: string; name: string; route: string }>(
    'select id, name, route from nodes where route is not null order by name',
  )
  return rows.map((row) => ({ nodeId: idOf('nod', row.id), name: row.name, route: row.route }))
}

/** The cluster's id: Kubo pins carry it as their name. */
export async function clusterId(tx: SystemTx): Promise<string> {
  const [row] = await tx.query<{ cluster_id: string }>('select cluster_id from cluster')
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  return row.cluster_id
}

/** The next epoch. Every later leader gets a greater one. */
export async function nextEpoch(tx: SystemTx): Promise<number> {
  const [row] = await tx.query<{ epoch: number }>('update cluster set epoch = epoch + 1 returning epoch')
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  return row.epoch
}

/** Makes the next partitions of the audit log. */
export async function extendAudit(tx: SystemTx): Promise<void> {
  await tx.query('select audit_extend()')
}
