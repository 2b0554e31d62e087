import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { JetStreamBus } from '../cluster/bus.ts'
import { connectNats, type NodeNatsLink, type NatsLink } from '../cluster/nats-link.ts'
import { connectOnce } from '../cluster/connect-once.ts'
import type { Heartbeat } from '../cluster/heartbeat.ts'
import { mirrorMaintenance } from '../cluster/maintenance.ts'
import { bucketStream, replicasFor } from '../cluster/names.ts'
import { natsPaths, natsUser, systemUser } from '../cluster/nats-config.ts'
import { stopOrphan } from '../cluster/nats-orphan.ts'
import { startNatsServer, type NatsChild } from '../cluster/nats-server.ts'
import { startPresence, type HeartbeatPresence } from '../cluster/presence.ts'
import { AnchorageError, isCode } from '../core/errors.ts'
import type { Node, NodeIdentity } from '../core/node.ts'
import type { Bus, Log } from '../core/ports.ts'
import type { Store } from '../store/store.ts'
import { findTool } from '../tools/find-tool.ts'
import { natsServer } from '../tools/nats-server.ts'
import type { Config } from '../config/config.ts'
import { environment } from '../config/environment.ts'
import { clusterPlace, type ClusterPlace } from '../config/nats-cluster.ts'
import { assertNatsPortsFree } from './free-ports.ts'
import { NatsMembers } from './nats-members.ts'
import { outsideNats } from '../config/outside-nats.ts'

/** This node's side of NATS. */
export interface NatsParts {
  link: NodeNatsLink
  bus: Bus
  presence: HeartbeatPresence
  /** Null while JetStream accepts messages; otherwise the reason. */
  trouble(): string | null
}

export interface NatsNeeds {
  config: Config
  node: NodeIdentity
  store: Pick<Store, 'nodes' | 'operator'>
  log: Log
  self: () => Heartbeat
  known: () => readonly Node[]
  /** Called when streams or consumers have been created again, so that hints may be lost. */
  onRebuilt: () => void
}

/** How long a boot waits to learn which cluster an outside NATS belongs to. */
const outsidePatienceMs = 5_000

/**
 * Whether `joinNats` can work, found out before anything in the cluster changes. Ends the nats-server that an earlier run left behind.
 * Rejects `invalid`, with what to do, when the outside NATS belongs to another cluster, and `unavailable` when a port of the node's own
 * nats-server is in use. An outside NATS may be down.
 */
export async function proveNats(config: Config, clusterId: string, log: Log): Promise<void> {
  const outside = outsideNats(config)
  if (outside === null) {
    await stopOrphan(natsPaths(join(config.data.dir, 'nats')), log.child({ part: 'nats' }))
    return await assertNatsPortsFree(config)
  }
  try {
    await using _ = await connectOnce(outside, clusterId)
  } catch (error) {
    if (!isCode(error, 'unavailable')) throw error
  }
}

/**
 * Starts a nats-server of our own (unless the config names an outside NATS), connects, and announces this node. NATS may be down. Rejects
 * `invalid`, with what to do, when the config cannot work or the outside NATS belongs to another cluster.
 */
export async function joinNats(needs: NatsNeeds, undo: AsyncDisposableStack): Promise<NatsParts> {
  const log = needs.log.child({ part: 'nats' })
  const clusterId = await needs.store.nodes.clusterId()
  const place = await clusterPlace(needs.config, clusterId, log)
  const outside = outsideNats(needs.config)
  const { link, trouble } =
    outside === null
      ? await joinOwn(needs, place, log, undo)
      : await joinOutside(needs, outside, clusterId, log, undo)
  const presence = undo.use(startPresence({ link, self: needs.self, known: needs.known, log }))
  return { link, bus: new JetStreamBus(link, log), presence, trouble }
}

/** A connection for one command of an operator on this machine: to the node's own nats-server, or to the outside NATS. */
export async function natsOnce(config: Config, clusterId: string): Promise<NatsLink & AsyncDisposable> {
  const outside = outsideNats(config)
  if (outside !== null) return await connectOnce(outside, clusterId)
  return await connectOnce((await ownNats(config)).url)
}

/**
 * The URLs of the nats-server of this machine's node: one for clients, and one for the system account, which may query all servers of the
 * cluster. Rejects `unavailable` before the node's first start.
 */
export async function ownNats({ data, nats }: Config): Promise<{ url: string; systemUrl: string }> {
  const { password: file } = natsPaths(join(data.dir, 'nats'))
  const password = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new AnchorageError('unavailable', `no nats-server has run in ${data.dir} yet`, { cause })
  })
  const at = `${password.trim()}@127.0.0.1:${nats.clientPort}`
  return { url: `nats://${natsUser}:${at}`, systemUrl: `nats://${systemUser}:${at}` }
}

type Joined = Pick<NatsParts, 'link' | 'trouble'>

async function joinOwn(
  needs: NatsNeeds,
  place: ClusterPlace | null,
  log: Log,
  undo: AsyncDisposableStack,
): Promise<Joined> {
  const { node, store } = needs
  const members = new NatsMembers({ place, node, store: store.nodes, log })
  await members.announce()
  await members.read()
  const child = undo.use(await ownServer(needs.config, node, members, log))
  const link = undo.use(
    connectNats({
      url: child.url,
      nodeId: node.nodeId,
      log,
      layout: () => ({ replicas: replicasFor(members.count()), alone: members.count() === 1 }),
      onRebuilt: (made) => rebuilt(needs, link, made, log),
      onBrokenStore: (reason) => void child.replaceStore(reason),
    }),
  )
  undo.use(members.follow({ child, onChange: () => link.repair(), isWell: () => link.trouble() === null }))
  return {
    link,
    trouble: () =>
      members.trouble() ??
      child.trouble() ??
      withRoutes(link.trouble(), child) ??
      islandTrouble(place, needs.known()) ??
      link.shortage(),
  }
}

async function joinOutside(
  needs: NatsNeeds,
  url: string,
  clusterId: string,
  log: Log,
  undo: AsyncDisposableStack,
): Promise<Joined> {
  const foreign = Promise.withResolvers<never>()
  foreign.promise.catch(() => {})
  const link = undo.use(
    connectNats({
      url,
      nodeId: needs.node.nodeId,
      log,
      clusterId,
      onForeign: foreign.reject,
      // Three replicas, or fewer while the outside NATS has too few servers for three.
      layout: () => ({ replicas: 3, alone: false }),
      onRebuilt: (made) => rebuilt(needs, link, made, log),
    }),
  )
  const connected = link.connected(AbortSignal.timeout(outsidePatienceMs)).catch(() => null)
  await Promise.race([connected, foreign.promise])
  return { link, trouble: () => link.trouble() }
}

function rebuilt(needs: NatsNeeds, link: NodeNatsLink, made: string[], log: Log): void {
  needs.onRebuilt()
  if (!made.includes(bucketStream)) return
  needs.store.operator
    .maintenance()
    .then((maintenance) => mirrorMaintenance(link, maintenance))
    .catch((err: unknown) => log.debug({ err }, 'maintenance is not copied to NATS yet'))
}

function withRoutes(trouble: string | null, child: NatsChild): string | null {
  const route = child.routeTrouble()
  return trouble === null || route === null
    ? trouble
    : `${trouble}; a route to another nats-server fails: ${route}`
}

/** Each node with a NATS of its own would elect a leader of its own, and these leaders would end one another's epochs. */
function islandTrouble(place: ClusterPlace | null, known: readonly Node[]): string | null {
  if (place !== null || known.length < 2) return null
  return (
    'there are other nodes, but the nats-server of this node is not clustered: set nats.cluster.listen ' +
    '(see `anchorage admin init-cluster`)'
  )
}

function ownServer(config: Config, node: NodeIdentity, members: NatsMembers, log: Log): Promise<NatsChild> {
  return startNatsServer({
    binary: async (signal) => {
      const say = (line: string): void => log.info({}, line)
      // A node starts with what its machine has: it downloads nothing and compiles nothing.
      const options = { env: environment(), say, signal, configured: config.nats.binary, onlyLook: true }
      return (await findTool(natsServer(), options)).path
    },
    dir: join(config.data.dir, 'nats'),
    clientPort: config.nats.clientPort,
    serverName: node.nodeId,
    restartAfterMs: config.nats.restartAfter,
    cluster: members.cluster(),
    log,
  })
}
