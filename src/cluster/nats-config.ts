import { createHmac, randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where a node's nats-server keeps its things, all under one directory. */
export interface NatsPaths {
  config: string
  password: string
  pid: string
  /** What JetStream keeps while the server stands alone. */
  store: string
  /** What it keeps as one of a cluster: neither can read the other's. */
  clusterStore: string
}

/** The cluster that a nats-server is one of. */
export interface NatsCluster {
  /** Servers with different names refuse one another: the anchorage cluster's id. */
  name: string
  /** Where the other servers' routes come in. */
  listen: { host: string; port: number }
  /** Where they find that: `host:port`. */
  announce: string
  /** All servers by what they announce, this one included. */
  members: readonly string[]
  caFile: string
  certFile: string
  keyFile: string
  /** The same on all servers. */
  secret: string
}

/** What the configuration file says. */
export interface NatsSettings {
  serverName: string
  clientPort: number
  password: string
  maxStoreBytes: number
  /** Null: the server stands alone. */
  cluster: NatsCluster | null
}

/** Who may speak to a node's own nats-server, with its password. */
export const natsUser = 'anchorage'

/** Who may ask the server about its cluster, with the same password. */
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

/** Where the server's JetStream keeps its files. */
export function storeOf(paths: NatsPaths, cluster: NatsCluster | null): string {
  return cluster === null ? paths.store : paths.clusterStore
}

/** Makes the directory and writes the configuration. The format's grammar takes JSON as it stands, so quoting is JSON's. */
export async function writeNatsConfig(paths: NatsPaths, dir: string, settings: NatsSettings): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await writePrivate(paths.config, JSON.stringify(natsConfig(paths, settings), null, 2) + '\n')
}

/**
 * The password of this directory's server: minted once and kept, so that the operator's commands can enter too.
 * Where it cannot be kept, nor can the configuration: `writeNatsConfig` will say so at each start.
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
    // The parent reads standard error; its own logger stamps the time.
    logtime: false,
    jetstream: {
      store_dir: storeOf(paths, settings.cluster),
      // The default acknowledges up to two minutes before the disk has it.
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
    // What would be told to clients are the loopback ports of other machines.
    no_advertise: true,
    authorization: { user: routeUser, password, timeout: 5 },
    // Both ends show a certificate of this CA.
    tls: { ca_file: caFile, cert_file: certFile, key_file: keyFile, verify: true, timeout: 5 },
    // A machine that lost its power does not close its connections.
    ping_interval: '5s',
    ping_max: 2,
    // Without itself: JetStream, before its first election, waits for as many servers as there are routes (two at least), and a
    // cluster must form while one of three is away. One fewer than all is still a majority.
    routes: members
      .filter((member) => member !== announce)
      .map((member) => `nats-route://${routeUser}:${password}@${member}`),
  }
}

/** Whole or not at all, and never readable by others, not even for a moment. */
async function writePrivate(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`
  await writeFile(fresh, text, { mode: 0o600 })
  await chmod(fresh, 0o600)
  await rename(fresh, path)
}
