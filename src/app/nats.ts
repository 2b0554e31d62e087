import { join } from 'node:path'
import { JetStreamBus } from '../cluster/bus.ts'
import { connectCluster, type Cluster } from '../cluster/connect.ts'
import type { Heartbeat } from '../cluster/heartbeat.ts'
import { startNatsServer, type NatsChild } from '../cluster/nats-server.ts'
import { startPresence } from '../cluster/presence.ts'
import type { Node } from '../core/node.ts'
import type { Bus, Log, NodeIdentity, Presence } from '../core/ports.ts'
import { findTool } from '../tools/find-tool.ts'
import { natsServer } from '../tools/nats-server.ts'
import { environment, type Config } from './config.ts'

/** This node's side of NATS. */
export interface NatsParts {
  cluster: Cluster
  bus: Bus
  presence: Presence
  /** Null while JetStream takes messages; else why not. */
  trouble(): string | null
}

export interface NatsNeeds {
  config: Config
  node: NodeIdentity
  log: Log
  self: () => Heartbeat
  known: () => readonly Node[]
  /** Streams or consumers were made anew, so hints may be lost. */
  onRebuilt: () => void
}

/** Starts a nats-server of our own (unless the config names an outside one), connects, and joins in. NATS may be down. */
export async function joinNats(needs: NatsNeeds, undo: AsyncDisposableStack): Promise<NatsParts> {
  const { config, node, self, known, onRebuilt } = needs
  const log = needs.log.child({ part: 'nats' })
  const child = config.nats.url === undefined ? undo.use(await ownServer(config, node, log)) : null
  const cluster = undo.use(
    connectCluster({
      url: child?.url ?? config.nats.url?.reveal() ?? '',
      nodeId: node.nodeId,
      log,
      onRebuilt,
      onBrokenStore: (reason) => void child?.replaceStore(reason),
    }),
  )
  const presence = undo.use(startPresence({ nats: cluster, self, known, log }))
  return {
    cluster,
    bus: new JetStreamBus(cluster, log),
    presence,
    trouble: () => child?.trouble() ?? cluster.trouble(),
  }
}

function ownServer(config: Config, node: NodeIdentity, log: Log): Promise<NatsChild> {
  return startNatsServer({
    binary: async (signal) => {
      const say = (line: string): void => log.info({}, line)
      const options = { env: environment(), say, signal, configured: config.nats.binary }
      return (await findTool(natsServer(), options)).path
    },
    dir: join(config.data.dir, 'nats'),
    clientPort: config.nats.clientPort,
    serverName: node.nodeId,
    restartAfterMs: config.nats.restartAfter,
    log,
  })
}
