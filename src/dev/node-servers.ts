import { join } from 'node:path'
import { natsPassword, natsPaths, natsUser } from '../cluster/nats-config.ts'
import type { DataDir } from './data-dir.ts'
import type { DevDatabase } from './database.ts'
import { startKubo, type KuboChild } from './kubo.ts'
import { endNatsOf, natsPidOf } from './leftovers.ts'
import { masterKeyFile } from './master-key.ts'
import type { DevLogin } from './login.ts'
import { startNodeProcess, type NodeChild, type NodeSettings } from './node.ts'
import { routeSettings } from './routes.ts'
import type { ServerReports } from './server-reports.ts'

/** The ports of a node's servers, all on loopback. */
export interface NodePorts {
  http: number
  kuboRpc: number
  kuboSwarm: number
  natsClient: number
  natsRoute: number
}

/** The options with which every server of a node is started. */
export interface NodeOptions {
  /** Counts from 1. */
  number: number
  /** How many nodes there are. */
  count: number
  ports: NodePorts
  dir: DataDir
  env: NodeJS.ProcessEnv
  restartAfterMs: number | null
  isPublic: boolean
  serverReports: ServerReports
  database: DevDatabase
  binaries: { nats: string; kubo: string }
  /** The settings for logging in. */
  login: NodeSettings
}

/** A node with its servers. */
export type DevNode = NodeChild & { kubo: KuboChild; natsUrl: string; natsPid: () => number | null }

/** The name of node `number`. */
export function nodeName(number: number): string {
  return `dev-${number}`
}

/** The number of the node of that name; null when it is not one of dev's. */
export function numberOf(name: string): number | null {
  const number = /^dev-([1-9]\d*)$/.exec(name)?.[1]
  return number === undefined ? null : Number(number)
}

/** The remembered ports of node `number`, or new ones. */
export async function portsOf(
  { dir, isPublic }: Pick<NodeOptions, 'dir' | 'isPublic'>,
  number: number,
  http: number,
): Promise<NodePorts> {
  return {
    http,
    kuboRpc: await dir.port(`kubo-${number}-rpc`),
    // A public Kubo prefers the port that Kubo's users know and forward, another one takes any. The two are remembered separately.
    kuboSwarm: await (isPublic
      ? dir.port(`kubo-${number}-public`, 4000 + number)
      : dir.port(`kubo-${number}-swarm`)),
    natsClient: await dir.port(`nats-${number}-client`),
    natsRoute: await dir.port(`nats-${number}-route`),
  }
}

/** Starts the Kubo of node `number`, with its repository in DIR/node-i/kubo. */
export async function startNodesKubo(options: NodeOptions): Promise<KuboChild> {
  const { number, dir, ports } = options
  return startKubo({
    ...options,
    binary: options.binaries.kubo,
    name: `kubo-${number}`,
    repo: join(dir.path, `node-${number}`, 'kubo'),
    rpcPort: ports.kuboRpc,
    swarmPort: ports.kuboSwarm,
    logFile: dir.logFile(`kubo-${number}`),
    onChange: options.serverReports(`Kubo ${number}`),
  })
}

/** Starts node `number`, which starts its own nats-server. */
export async function startNode(options: NodeOptions & { kubo: KuboChild }): Promise<DevNode> {
  const { number, count, dir, ports, kubo, database } = options
  const nodeDir = join(dir.path, `node-${number}`)
  const natsDir = join(nodeDir, 'nats')
  const natsUrl = `nats://${natsUser}:${await natsPassword(natsPaths(natsDir), natsDir)}@127.0.0.1:${ports.natsClient}`
  await endNatsOf(natsDir)
  const node = await startNodeProcess({
    ...options,
    name: `node-${number}`,
    dir: nodeDir,
    url: `http://127.0.0.1:${ports.http}`,
    settings: {
      'node.name': nodeName(number),
      'data.dir': nodeDir,
      'http.listen': `127.0.0.1:${ports.http}`,
      'database.url': database.tenantUrl,
      'database.systemUrl': database.systemUrl,
      'database.ownerUrl': database.ownerUrl,
      'auth.masterKeyFile': await masterKeyFile(dir.path),
      'nats.binary': options.binaries.nats,
      'nats.clientPort': ports.natsClient,
      'nats.restartAfter': `${options.restartAfterMs ?? 0}ms`,
      // A single nats-server runs without a cluster: in a cluster it would wait for others.
      ...(count === 1 ? {} : await routeSettings(dir.path, natsDir, ports.natsRoute)),
      'kubo.rpc': kubo.rpcUrl,
    },
    defaults: {
      // No load balancer has to notice that a node stops.
      'http.stopDelay': '0s',
      'pin.allowPrivateOrigins': true,
      'pin.resolveOrigins': options.isPublic,
      // Load tests on a developer's machine use a single token.
      'rateLimits.perCaller': 1_000_000_000,
      'rateLimits.perOrg': 1_000_000_000,
      ...options.login,
    },
    logFile: dir.logFile(`node-${number}`),
    onChange: options.serverReports(`node ${number}`),
  })
  return {
    ...node,
    kubo,
    natsUrl,
    natsPid: () => natsPidOf(natsDir),
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]()
      // A node that was killed and did not come back has left its nats-server running.
      await endNatsOf(natsDir)
    },
  }
}

/** The values of `dev.env`. A server that is down keeps its last pid there until it runs again. */
export function envOf(cluster: {
  url: string
  token: string
  nodes: DevNode[]
  database: DevDatabase
  login: DevLogin | null
}): () => Promise<Record<string, string>> {
  const { url, token, nodes, database, login } = cluster
  const pids: Record<string, string> = {}
  return async () => {
    const values: Record<string, string> = { ANCHORAGE_URL: url, ANCHORAGE_TOKEN: token }
    const note = (name: string, pid: number | null) =>
      (pids[name] = pid === null ? (pids[name] ?? '') : String(pid))
    for (const [index, node] of nodes.entries()) {
      const number = index + 1
      values[`NODE_URL_${number}`] = node.url
      values[`NODE_ID_${number}`] = node.nodeId
      values[`NODE_PID_${number}`] = note(`NODE_PID_${number}`, node.pid())
      values[`NATS_PID_${number}`] = note(`NATS_PID_${number}`, node.natsPid())
      values[`KUBO_PID_${number}`] = note(`KUBO_PID_${number}`, node.kubo.pid())
      values[`KUBO_RPC_${number}`] = node.kubo.rpcUrl
      values[`NODE_CONFIG_${number}`] = node.configFile
    }
    return {
      ...values,
      ANCHORAGE_CONFIG: nodes[0]?.configFile ?? '',
      DATABASE_URL: database.ownerUrl,
      DATABASE_TENANT_URL: database.tenantUrl,
      DATABASE_SYSTEM_URL: database.systemUrl,
      ...(login === null ? {} : { LOGIN_ISSUER: login.issuer, LOGIN_PASSWORD: login.password }),
      NATS_URL: nodes[0]?.natsUrl ?? '',
      DEV_PID: String(process.pid),
      POSTGRES_PID: note('POSTGRES_PID', database.server?.pid() ?? null),
    }
  }
}
