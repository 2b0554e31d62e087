import type { ClaimedNode } from '../core/name-claim.ts'
import type { Log } from '../core/ports.ts'
import type { SigningKey } from '../core/token.ts'
import { assertLogin, assertSchema } from './assert-ready.ts'
import { assertOrgsKeptApart } from './org-isolation.ts'
import { connectionsPerRole, openConnections, type Way } from './connections.ts'
import { translate } from './errors.ts'
import { signingKeys } from './keys.ts'
import { masterKeyOf } from './master-key.ts'
import { oldestPostgres } from './migrations.ts'
import { claimedNodes } from './name-claims.ts'
import { withOneClient } from './one-client.ts'
import type { Query } from './query.ts'
import { loginKey, type Role } from './role-settings.ts'

/** How many connections one node opens at most. */
export const connectionsPerNode = 2 * connectionsPerRole

/** What a Postgres server reports about itself. */
export interface ServerFacts {
  /** For example `18.4`. */
  version: string
  isTooOld: boolean
  encoding: string
  fsync: boolean
  fullPageWrites: boolean
  autovacuum: boolean
  /** It takes no writes: it is a standby, or is set to be read-only. */
  readOnly: boolean
  /** The number of connections for logins that are not superusers. */
  maxConnections: number
  /** Its clock minus this machine's, accurate to half of `tookMs`. */
  clockAheadMs: number
  tookMs: number
}

/** The part of the cluster's own tables that a look at one node needs. */
export interface ClusterFacts {
  clusterId: string
  nodes: number
  /** The peer id that the node with this name is bound to; null when it has not met its Kubo yet, or never started. */
  peerId: string | null
  /** Where the nats-servers of the other nodes can be reached, host:port. */
  otherRoutes: { name: string; route: string }[]
  /** Where the Kubos of the other nodes can be reached, as multiaddrs. */
  otherAddresses: string[]
}

/** What a process is compared with before it takes a node's name. */
export interface IdentityFacts {
  /** The fingerprint of the master key; null while no node has started. */
  masterKey: string | null
  /** The key that signs tokens, wrapped; null while there is none. */
  signingKey: Pick<SigningKey, 'id' | 'wrapped'> | null
  nodes: ClaimedNode[]
}

/** Checks of one login; they change nothing. Each rejects with what is wrong and what to do. */
export interface LoginLook {
  server(): Promise<ServerFacts>
  /** The login has its role's rights and settings, and no others. */
  assertLogin(): Promise<void>
  /** This version can serve with the schema; needs the system's login. */
  assertSchema(): Promise<void>
  /** Row-level security keeps orgs apart; needs the tenant role's login. */
  assertOrgsKeptApart(): Promise<void>
  /** Needs the system's login. */
  cluster(nodeName: string): Promise<ClusterFacts>
  /** Needs the system's login, and the schema of this version. */
  identity(): Promise<IdentityFacts>
}

const answerMs = 5_000

/** Looks at a role's login with one connection of its own. Rejects as `withOneClient`. */
export function withLogin<T>(
  { url, role, signal }: { url: string; role: Role; signal: AbortSignal },
  work: (look: LoginLook) => Promise<T>,
): Promise<T> {
  const login = { url, option: loginKey(role), name: 'anchorage doctor', answerMs, signal }
  return withOneClient(login, (client) => {
    const query: Query = async (text, params = []) => {
      try {
        return (await client.query(text, params)).rows
      } catch (error) {
        throw translate(error)
      }
    }
    return work({
      server: () => serverFacts(query),
      assertLogin: () => assertLogin(query, role),
      assertSchema: () => assertSchema(query),
      assertOrgsKeptApart: () => assertOrgsKeptApart(query),
      cluster: (nodeName) => clusterFacts(query, nodeName),
      identity: () => identityFacts(query),
    })
  })
}

/**
 * Reaches Postgres as a node does, and commits a transaction that writes nothing but a record in the WAL. Rejects when a node must not use
 * the sessions of this login.
 */
export async function inspectWay(login: {
  url: string
  role: Role
  log: Log
}): Promise<{ way: Way; commitMs: number }> {
  await using connections = openConnections({ ...login, name: 'anchorage doctor' })
  const way = await connections.way()
  const askedAt = performance.now()
  await connections.proveWrite()
  return { way, commitMs: performance.now() - askedAt }
}

async function serverFacts(query: Query): Promise<ServerFacts> {
  const askedAt = performance.now()
  const [clock] = await query<{ now: number }>(
    `select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
  )
  const tookMs = performance.now() - askedAt
  const clockAheadMs = Math.round((clock?.now ?? NaN) - (Date.now() - tookMs / 2))
  const [row] = await query<Omit<ServerFacts, 'clockAheadMs' | 'tookMs'>>(
    `select split_part(current_setting('server_version'), ' ', 1) as version,
       current_setting('server_version_num')::int < $1 as "isTooOld", current_setting('server_encoding') as encoding,
       current_setting('fsync')::bool as fsync, current_setting('full_page_writes')::bool as "fullPageWrites",
       current_setting('autovacuum')::bool as autovacuum,
       pg_is_in_recovery() or current_setting('transaction_read_only')::bool as "readOnly",
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as "maxConnections"`,
    [oldestPostgres],
  )
  if (row === undefined) throw new Error('Postgres returned nothing about itself')
  return { ...row, clockAheadMs, tookMs }
}

async function identityFacts(query: Query): Promise<IdentityFacts> {
  const keys = await signingKeys({ scope: 'system', query })
  return {
    masterKey: await masterKeyOf(query),
    signingKey: keys.find(({ state }) => state === 'active') ?? null,
    nodes: await claimedNodes(query),
  }
}

async function clusterFacts(query: Query, nodeName: string): Promise<ClusterFacts> {
  const [cluster] = await query<{ id: string }>('select cluster_id::text as id from cluster')
  const rows = await query<{
    name: string
    peer_id: string | null
    route: string | null
    multiaddrs: string[]
  }>('select name, peer_id, route, multiaddrs from nodes order by name')
  const others = rows.filter(({ name }) => name !== nodeName)
  return {
    clusterId: cluster?.id ?? '',
    nodes: rows.length,
    peerId: rows.find(({ name }) => name === nodeName)?.peer_id ?? null,
    otherRoutes: others.flatMap(({ name, route }) => (route === null ? [] : [{ name, route }])),
    otherAddresses: others.flatMap(({ multiaddrs }) => multiaddrs),
  }
}
