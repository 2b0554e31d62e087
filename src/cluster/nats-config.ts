import { createHmac, randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writePrivate } from '../process/private-file.ts'

/** The files of a node's nats-server, all under one directory. */
export interface NatsPaths {
  config: string
  password: string
  pid: string
  /** JetStream's files while the server runs alone. */
  store: string
  /** JetStream's files while the server is in a cluster. Neither mode can read the files of the other. */
  clusterStore: string
}

/** The cluster that a nats-server belongs to. */
export interface NatsCluster {
  /** The anchorage cluster's id. Servers of clusters with different names refuse one another. */
  name: string
  /** The address on which the server accepts routes from other servers. */
  listen: { host: string; port: number }
  /** The `host:port` at which the other servers reach it. */
  announce: string
  /** The announced `host:port` of every server, this one included. */
  members: readonly string[]
  caFile: string
  certFile: string
  keyFile: string
  /** The same on all servers. */
  secret: string
}

/** The contents of the configuration file. */
export interface NatsSettings {
  serverName: string
  clientPort: number
  password: string
  maxStoreBytes: number
  /** Null: the server runs alone. */
  cluster: NatsCluster | null
}

/** The user that clients of a node's own nats-server log in as, with its password. */
export const natsUser = 'anchorage'

/** The user for questions to the server about its cluster, with the same password. */
export const systemUser = 'anchorage-system'

const systemAccount = 'SYS'

/** The files of the nats-server that lives in `dir` (absolute: the orphan search compares it with a command line). */
export function natsPaths(dir: string): NatsPaths {
  return {
    config: join(dir, 'nats.conf'),
    password: join(dir, 'nats.password'),
    pid: join(dir, 'nats.pid'),
    store: join(dir, 'store'),
    clusterStore: join(dir, 'store-cluster'),
  }
}

/** The directory in which the server's JetStream keeps its files. */
export function storeOf(paths: NatsPaths, cluster: NatsCluster | null): string {
  return cluster === null ? paths.store : paths.clusterStore
}

/** Makes the directory and writes the configuration. The format accepts plain JSON, so JSON does the quoting. */
export async function writeNatsConfig(paths: NatsPaths, dir: string, settings: NatsSettings): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await writePrivate(paths.config, JSON.stringify(natsConfig(paths, settings), null, 2) + '\n')
}

/**
 * The password of this directory's server. It is generated once and stored, so that the operator's commands can log in too. If it cannot be
 * stored, the configuration cannot be either, and `writeNatsConfig` says so at each start.
 */
export async function natsPassword(paths: NatsPaths, dir: string): Promise<string> {
  const kept = await readFile(paths.password, 'utf8').catch(() => '')
  if (/^[0-9a-f]{48}$/.test(kept.trim())) return kept.trim()
  const password = randomBytes(24).toString('hex')
  await mkdir(dir, { recursive: true, mode: 0o700 })
    .then(() => writePrivate(paths.password, password + '\n'))
    .catch(() => {})
  return password
}

function natsConfig(paths: NatsPaths, settings: NatsSettings): object {
  return {
    server_name: settings.serverName,
    host: '127.0.0.1',
    port: settings.clientPort,
    authorization: { users: [{ user: natsUser, password: settings.password }], timeout: 5 },
    accounts: { [systemAccount]: { users: [{ user: systemUser, password: settings.password }] } },
    system_account: systemAccount,
    max_payload: 1024 * 1024,
    max_connections: 256,
    // The node reads standard error, and its own logger adds the time.
    logtime: false,
    jetstream: {
      store_dir: storeOf(paths, settings.cluster),
      // The default acknowledges a message up to two minutes before it is on disk.
      sync_interval: 'always',
      max_memory_store: 16 * 1024 * 1024,
      max_file_store: settings.maxStoreBytes,
    },
    ...(settings.cluster === null ? {} : { cluster: clusterConfig(settings.cluster) }),
  }
}

const routeUser = 'route'

function clusterConfig(cluster: NatsCluster): object {
  const { name, listen, announce, members, caFile, certFile, keyFile } = cluster
  const password = createHmac('sha256', cluster.secret.trim()).update('anchorage routes').digest('hex')
  return {
    name,
    host: listen.host,
    port: listen.port,
    advertise: announce,
    // Otherwise the server would tell clients the loopback ports of other machines.
    no_advertise: true,
    authorization: { user: routeUser, password, timeout: 5 },
    // Both ends show a certificate of this CA.
    tls: { ca_file: caFile, cert_file: certFile, key_file: keyFile, verify: true, timeout: 5 },
    // A machine that lost its power does not close its connections.
    ping_interval: '5s',
    ping_max: 2,
    // A server has no route to itself. Before its first election, JetStream waits for as many servers as there are routes (two at least),
    // and a cluster must form while one of three is away. One fewer than all is still a majority.
    routes: members
      .filter((member) => member !== announce)
      .map((member) => `nats-route://${routeUser}:${password}@${member}`),
  }
}
