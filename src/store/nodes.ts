import { AnchorageError, isCode } from '../core/errors.ts'
import { adoptNode, peerIdOf } from './adopt-node.ts'
import { bareClaim, kuboOfAnother, otherKubo, type ClaimedNode, type NameClaim } from '../core/name-claim.ts'
import { idOf, mintId, uuidOf, type NodeId } from '../core/ids.ts'
import type { NodeReport } from '../core/node-report.ts'
import type { Inability, Node, NodeIdentity } from '../core/node.ts'
import { assertLogin, assertSchema } from './assert-ready.ts'
import type { Way } from './connections.ts'
import type { Database, SystemTx } from './database.ts'
import { loginRefused } from './login-refused.ts'
import { assertMayTake, claimedNodes, noteClaim } from './name-claims.ts'
import { nodeColumns, nodeOf, type NodeRow } from './node-rows.ts'
import { assertOrgsKeptApart } from './org-isolation.ts'
import { loginKey, type Role } from './role-settings.ts'

/** What a node asks of the database about itself and its cluster. */
export interface NodeStore {
  /** Refuses (`invalid`, with what to do) a schema or logins that this version must not serve with. */
  assertReady(): Promise<void>
  /**
   * Rejects unless a write of each role commits, within 15 s: with `unavailable`, or with `invalid` and what to do when this version must
   * not serve with such connections.
   */
  proveWrites(): Promise<void>
  /** How each role's login reaches Postgres. */
  ways(): Promise<Record<'tenant' | 'system', Way>>
  /** The cluster's id: Kubo pins carry it as their name. */
  clusterId(): Promise<string>
  /**
   * Makes or finds the node called `name` and starts a new incarnation of it: claims of the older ones are void. Rejects as `assertMayTake`,
   * and changes nothing, unless `claim` gets the name. The new incarnation is greater than `after`, the last one that the node remembers, also
   * when the database is older than that one. The node cannot work until its first sign (`see`) says that it can.
   */
  boot(name: string, zone?: string | null, claim?: NameClaim, after?: number): Promise<NodeIdentity>
  /** This incarnation has stopped: the name is free at once. Changes nothing after another one has started. */
  leave(node: NodeIdentity): Promise<void>
  /** What is known of every node's latest process. */
  claims(): Promise<ClaimedNode[]>
  /** Requeues the placements that earlier incarnations were working on, at most `limit` a call; returns how many there were. */
  voidClaims(node: NodeIdentity, limit: number): Promise<number>
  /**
   * Notes a sign of life and whether the node can work. A node that could not work before, perhaps in an older incarnation, has been unable
   * since then. False when another process has started as this node since. An incarnation in the database that is older than this process
   * becomes its own again: the database went back in time.
   */
  see(node: NodeIdentity, sign: Sign): Promise<boolean>
  /**
   * Binds the node to its Kubo, for ever: `conflict` when it is bound to another peer id, since its placements describe the repository of
   * that Kubo.
   */
  bindKubo(node: NodeIdentity, kubo: { peerId: string; multiaddrs: string[] }): Promise<void>
  /** The Kubo that the node called `name` is bound to; null when it is bound to none. `not_found` when there is no such node. */
  peerIdOf(name: string): Promise<string | null>
  /**
   * For a machine that takes the place of a lost one: binds the node to the Kubo `peerId` instead of its old one, and queues its pinned
   * placements again, since that Kubo does not have them. `conflict` while the node has a fresh sign of life. A call that breaks off can be
   * repeated.
   */
  adopt(nodeId: NodeId, peerId: string, actor: string): Promise<void>
  /** Saves where the other nodes' nats-servers reach this node's, host:port; null when they cannot. */
  setRoute(node: NodeIdentity, route: string | null): Promise<void>
  /** The routes of all nodes that have one. `served`: the node has reported about itself, so it has started completely once. */
  routes(): Promise<{ nodeId: NodeId; name: string; route: string; silentMs: number; served: boolean }[]>
  /** All nodes; `live` depends on `last_seen` alone. */
  list(): Promise<Node[]>
  /** As `list`, and the version of the newest change that it includes. */
  read(): Promise<{ nodes: Node[]; version: number }>
  /** Makes the next partitions of the audit log. */
  extendAudit(): Promise<void>
}

/** What a node reports about itself every ten seconds. */
export interface Sign {
  usedBytes: number | null
  capacityBytes: number | null
  /** Shown to operators; when it is left out, the last report stays. */
  report?: NodeReport
  /** What the node cannot do now; it can work when this is left out. */
  unable?: Inability | null
}

export function nodeStore(db: Database): NodeStore {
  const tx = db.statement
  return {
    assertReady: () => withReason(() => assertReady(db)),
    proveWrites: () => withReason(() => db.proveWrites()),
    ways: () => db.ways(),
    clusterId: () => ofCluster(tx, 'select cluster_id as value from cluster'),
    boot: (name, zone = null, claim = bareClaim, after = 0) =>
      db.system(async (own) => {
        await assertMayTake(own, name, claim)
        const node = await bootNode(own, name, zone, after)
        await noteClaim(own, node, claim)
        return node
      }),
    async leave({ nodeId, incarnation }) {
      const params = [uuidOf(nodeId), incarnation]
      await tx.query('update nodes set machine = null where id = $1 and incarnation = $2', params)
    },
    claims: () => claimedNodes(tx.query),
    async voidClaims({ nodeId, incarnation }, limit) {
      const params = [uuidOf(nodeId), incarnation, limit]
      const [row] = await tx.query<{ n: number }>('select void_claims($1, $2, $3) as n', params)
      return row?.n ?? 0
    },
    async see({ nodeId, incarnation }, { usedBytes, capacityBytes, report = null, unable = null }) {
      const away = [
        unable?.what ?? null,
        unable === null ? null : Math.round(unable.forMs),
        unable?.reason ?? null,
      ]
      const [row] = await tx.query<{ incarnation: number }>(
        `update nodes set last_seen = now(), used_bytes = coalesce($3, used_bytes), capacity_bytes = coalesce($4, capacity_bytes),
           report = coalesce($5, report), reported_at = case when $5::jsonb is null then reported_at else now() end,
           unable_what = $6, unable_reason = $8,
           unable_since = case when $6::text is not null then least(unable_since, now() - make_interval(secs => $7 / 1000.0)) end
         where id = $1 and incarnation <= $2 returning incarnation`,
        [uuidOf(nodeId), incarnation, usedBytes, capacityBytes, report, ...away],
      )
      // a sign of life makes no new version of the nodes, so this is a statement of its own
      if (row !== undefined && row.incarnation < incarnation)
        await tx.query('update nodes set incarnation = $2 where id = $1 and incarnation < $2', [
          uuidOf(nodeId),
          incarnation,
        ])
      return row !== undefined
    },
    bindKubo: (node, kubo) => db.system((own) => bindKubo(own, node, kubo)),
    peerIdOf: (name) => peerIdOf(tx, name),
    adopt: (nodeId, peerId, actor) => adoptNode(db, nodeId, peerId, actor),
    async setRoute({ nodeId, incarnation }, route) {
      const params = [uuidOf(nodeId), incarnation, route]
      await tx.query('update nodes set route = $3 where id = $1 and incarnation = $2', params)
    },
    routes: () => readRoutes(tx),
    list: async () => (await readNodes(tx)).nodes,
    read: () => readNodes(tx),
    async extendAudit() {
      await tx.query('select audit_extend()')
    },
  }
}

async function assertReady(db: Database): Promise<void> {
  await loggedIn('anchorage_system', () => db.system((tx) => assertLogin(tx.query, 'anchorage_system')))
  await loggedIn('anchorage_tenant', () => db.withoutOrg((query) => assertLogin(query, 'anchorage_tenant')))
  await db.system((tx) => assertSchema(tx.query))
  await db.withoutOrg(assertOrgsKeptApart)
}

/** Turns a refused login into `invalid`, with what to do: it does not pass by waiting. */
async function loggedIn(role: Role, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw loginRefused(error, loginKey(role)) ?? error
  }
}

/** A request only learns that it cannot be served. The operator who starts or watches the node learns why its connections are refused. */
async function withReason(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw isCode(error, 'unavailable') && isCode(error.cause, 'invalid') ? error.cause : error
  }
}

async function ofCluster<T>(tx: SystemTx, sql: string): Promise<T> {
  const [row] = await tx.query<{ value: T }>(sql)
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  return row.value
}

async function bootNode(
  tx: SystemTx,
  name: string,
  zone: string | null,
  after: number,
): Promise<NodeIdentity> {
  const [row] = await tx.query<{ id: string; incarnation: number }>(
    `insert into nodes (id, name, zone, incarnation) values ($1, $2, $3, $4)
     on conflict (name) do update set incarnation = greatest(nodes.incarnation + 1, excluded.incarnation), zone = excluded.zone
     returning id, incarnation`,
    [uuidOf(mintId('nod')), name, zone, after + 1],
  )
  if (!row) throw new AnchorageError('internal', 'a node could not be registered')
  return { nodeId: idOf('nod', row.id), incarnation: row.incarnation }
}

async function bindKubo(
  tx: SystemTx,
  { nodeId }: NodeIdentity,
  kubo: Parameters<NodeStore['bindKubo']>[1],
): Promise<void> {
  const rows = await tx.query(
    `update nodes set peer_id = $2, multiaddrs = $3 where id = $1 and (peer_id is null or peer_id = $2)
       and not exists (select from nodes o where o.peer_id = $2 and o.id <> $1) returning id`,
    [uuidOf(nodeId), kubo.peerId, kubo.multiaddrs],
  )
  if (rows.length > 0) return
  const [other] = await tx.query<{ name: string }>('select name from nodes where peer_id = $2 and id <> $1', [
    uuidOf(nodeId),
    kubo.peerId,
  ])
  if (other !== undefined) throw new AnchorageError('conflict', kuboOfAnother(other.name))
  const [bound] = await tx.query<{ peer_id: string }>('select peer_id from nodes where id = $1', [
    uuidOf(nodeId),
  ])
  throw new AnchorageError('conflict', otherKubo(bound?.peer_id ?? '', kubo.peerId))
}

async function readNodes(tx: SystemTx): Promise<{ nodes: Node[]; version: number }> {
  const rows = await tx.query<NodeRow & { version: number }>(
    `select ${nodeColumns}, (select version from cache_versions where cache = 'nodes') as version from nodes order by name`,
  )
  return { nodes: rows.map(nodeOf), version: rows[0]?.version ?? 0 }
}

async function readRoutes(tx: SystemTx): ReturnType<NodeStore['routes']> {
  const rows = await tx.query<{
    id: string
    name: string
    route: string
    silent_ms: number
    served: boolean
  }>(
    `select id, name, route, (extract(epoch from clock_timestamp() - last_seen) * 1000)::bigint as silent_ms,
       report is not null as served
     from nodes where route is not null order by name`,
  )
  return rows.map(({ id, silent_ms: silentMs, ...row }) => ({ nodeId: idOf('nod', id), silentMs, ...row }))
}
