import { verifier } from '../auth/verifier.ts'
import type { NatsLink } from '../cluster/nats-link.ts'
import type { NodeId } from '../core/ids.ts'
import type { Node, NodeIdentity } from '../core/node.ts'
import type { Log, Presence } from '../core/ports.ts'
import { pressure as newPressure } from '../core/accept-pressure.ts'
import type { Tracing } from '../core/tracing.ts'
import type { HttpServerOptions } from '../http/server.ts'
import { kubo as kuboAt } from '../ipfs/kubo.ts'
import { metrics } from '../metrics/metrics.ts'
import { openStore, type Store, type StoreOptions } from '../store/store.ts'
import { driver as newDriver, type Driver } from '../workers/driver.ts'
import type { TermLimits } from '../workers/leader-term.ts'
import { assertFits, bootNode, type Booted } from './boot.ts'
import { nodeCaches, announceNodesChanged } from './caches.ts'
import { systemClock as clock } from './clock.ts'
import type { EarlyPorts } from './early-ports.ts'
import type { Config } from '../config/config.ts'
import { kuboWatch, type KuboWatch } from './kubo-watch.ts'
import { listen } from './listen.ts'
import { liveNodes, type LiveNodes } from './live-nodes.ts'
import { createLog } from './log.ts'
import { joinNats, type NatsParts } from './nats.ts'
import { knownNodes } from './known-nodes.ts'
import { endOf, takePlace, type Ended } from './place.ts'
import { postgresWatch } from './postgres-watch.ts'
import { writeRemembered } from './remembered.ts'
import { restoreWatch, type RestoreWatch } from './restore-watch.ts'
import { scrapeOf } from './scrape.ts'
import { selfOf, type Self } from './self.ts'
import { heartbeatOf, signOf } from './signs.ts'
import { tracingOf } from './tracing.ts'
import { useCases } from './use-cases.ts'
import { contendForLead, nodeWorkers, nudgeLeader, type WorkerNeeds } from './workers.ts'

/** A node that serves; disposing stops it cleanly. */
export interface RunningNode extends AsyncDisposable {
  url: string
  nodeId: NodeId
  /** Rejects when the node has to end: another process has started as this node, or an error was not caught. */
  ended: Promise<never>
}

/**
 * Starts one node. It takes its data folder and its ports, proves what it is and takes its name (`bootNode`); a start that fails so far has
 * changed nothing in the cluster. Then everything is made in the order in which it is needed, and stopped in the reverse order: the node
 * says that it stops and releases the lease, HTTP stops accepting after `http.stopDelay`, workers hand back their work, NATS is disconnected
 * and its server stopped, the pools close. Rejects `invalid` for a config that cannot work, `conflict` when another process has the data
 * folder, `unavailable` when an address is taken, and as `bootNode` does. NATS or Kubo may be down: the node is then degraded, but still
 * accepts pins. `served` may change what is served; only the bench uses it, to measure what guards cost.
 */
export async function startNode(
  config: Config,
  signal: AbortSignal,
  served: (options: HttpServerOptions) => HttpServerOptions = (options) => options,
): Promise<RunningNode> {
  const root = createLog({ level: config.log.level, pretty: process.stderr.isTTY })
  await using undo = new AsyncDisposableStack()
  const { urls, key, folderId, ports } = await takePlace(config, root, undo)

  let presence: Presence = { nodes: () => [] }
  const store = undo.use(openStore({ ...storeOptions(config, root, () => presence.nodes()), ...urls }))
  const { node, ...memory } = await bootNode(
    { config, store, masterKey: key, folderId, clock, log: root },
    signal,
  )
  const log = root.child({ nodeId: node.nodeId })
  const ended = endOf({ store, node, log }, undo)

  const tracing = await tracingOf(config, node, log.child({ part: 'tracing' }), undo)
  const driver = newDriver({ clock, log, limits: termLimitsOf(config) })
  const pressure = newPressure(clock)
  const nodes = await liveNodes(store.nodes)
  const base = { config, node, store, driver, tracing, log }
  const parts = { ...base, restore: watchRestores(base, memory, undo) }
  const onChange = () => void postgres.signNow()
  const onAnnounced = () => addressesChanged(nodes, nats.link, store, log)
  const kubo = await watchKubo({ ...parts, onAnnounced, onChange }, undo)
  let self: Self | null = null
  const postgres = postgresWatch({
    store: watchedStore(store, key, parts.restore),
    node,
    nodes,
    clock,
    log: log.child({ part: 'postgres' }),
    sign: () => signOf(kubo, self),
    onReplaced: ended.reject,
    onReturn: () => returned(nats, driver, onChange),
  })
  const nats = await joinNats(
    {
      ...base,
      self: () => heartbeatOf({ config, node, nodes, kubo, postgres, pressure, self }),
      known: () => nodes.nodes(),
      onRebuilt: () => driver.nudge('requeue-sweeper'),
    },
    undo,
  )
  presence = nats.presence
  const needs = { ...parts, nats, kubo, pressure, metrics: metrics(clock) }
  const worker = nodeWorkers(needs)
  const { verify, remembered } = verifier({ store: store.tokens, masterKey: key, clock })
  const caches = nodeCaches({ nodes, tokens: remembered, store: store.tokens, link: nats.link, log })
  const me = (self = selfOf({ needs, worker, postgres, caches: () => caches.stats() }))
  const lead = (stop: AbortSignal) => contendForLead(needs, (epoch) => me.onLead(epoch), stop)
  for (const loop of [postgres, kubo, driver, caches, me, worker]) undo.use(running((stop) => loop.run(stop)))

  const own = { verify, health: () => me.health(), scrape: scrapeOf(needs, worker, me) }
  const options = served({ ...(await useCases(needs, key)), ...own })
  const url = await serve(options, { config, ports, ended, lead }, undo)
  log.info({ url, incarnation: node.incarnation }, 'this node serves')
  const kept = undo.move()
  return { url, nodeId: node.nodeId, ended: ended.promise, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

interface ServeNeeds {
  config: Config
  ports: EarlyPorts
  ended: Ended
  lead: (stop: AbortSignal) => Promise<void>
}

/** Serves, and only then contends for the lead. At a stop, the lease is released before the port closes. */
async function serve(
  options: HttpServerOptions,
  { config, ports, ended, lead }: ServeNeeds,
  undo: AsyncDisposableStack,
): Promise<string> {
  const { url, stopSoon } = await listen(ports, undo, options, clock)
  undo.use(running(lead))
  undo.defer(() => stopSoon(ended.hasEnded() ? 0 : config.http.stopDelay))
  return url
}

function storeOptions(
  { database, pin, tokens }: Config,
  log: Log,
  nodes: () => readonly Node[],
): Omit<StoreOptions, 'tenantUrl' | 'systemUrl'> {
  return {
    log: log.child({ part: 'postgres' }),
    knownNodes: knownNodes(nodes),
    replicas: pin.replicas,
    unpinGraceMs: pin.unpinGrace,
    backoffMaxMs: pin.backoffMax,
    maxTokens: tokens.maxPerOrg,
    listsPerOrg: database.listsPerOrg,
  }
}

/** What the watch of Postgres asks of the store: a database that went back in time, or another master key, is trouble too. */
function watchedStore(store: Store, masterKey: Uint8Array, restore: RestoreWatch): Store['nodes'] {
  return {
    ...store.nodes,
    assertReady: () => assertFits(store, masterKey),
    proveWrites: () => restore.around(() => store.nodes.proveWrites()),
  }
}

function termLimitsOf({ cluster }: Config): TermLimits {
  return { tries: cluster.leaderTries, patienceMs: cluster.leaderPatience }
}

/** The watch for a database that goes back in time. When the node stops, it saves what it has seen once more. */
function watchRestores(
  { config, node, store, driver, log }: Pick<WorkerNeeds, 'config' | 'node' | 'store' | 'driver' | 'log'>,
  { clusterId, remembered }: Omit<Booted, 'node'>,
  undo: AsyncDisposableStack,
): RestoreWatch {
  const watch = restoreWatch({
    store: store.marks,
    node: { ...node, name: config.node.name },
    remembered,
    write: (now) => writeRemembered(config.data.dir, clusterId, now),
    onChange: () => driver.nudge('reconciler'),
    log: log.child({ part: 'restore' }),
  })
  undo.defer(() => watch.save())
  return watch
}

interface KuboNeeds {
  config: Config
  node: NodeIdentity
  store: Store
  driver: Driver
  tracing: Tracing
  log: Log
  onAnnounced: () => Promise<void>
  onChange: () => void
}

async function watchKubo(
  { config, node, store, driver, tracing, log, onAnnounced, onChange }: KuboNeeds,
  undo: AsyncDisposableStack,
): Promise<KuboWatch> {
  const ipfs = undo.use(
    kuboAt({
      rpcUrl: config.kubo.rpc,
      pinName: await store.nodes.clusterId(),
      allowPrivateOrigins: config.pin.allowPrivateOrigins,
      traceparent: tracing.traceparent,
      ...(config.pin.resolveOrigins ? {} : { resolveName: null }),
    }),
  )
  return kuboWatch({
    ipfs,
    store: store.nodes,
    node,
    announce: config.node.announce,
    strict: !config.pin.allowPrivateOrigins,
    clock,
    log: log.child({ part: 'kubo' }),
    onAnnounced,
    onReturn: () => driver.nudge('reconciler'),
    onChange,
  })
}

/**
 * Shows the Kubo's new addresses on this node at once, and on the others as soon as they get the message. A node that misses it reads them
 * within seconds.
 */
async function addressesChanged(nodes: LiveNodes, link: NatsLink, store: Store, log: Log): Promise<void> {
  await nodes.flush()
  await announceNodesChanged(link, store.tokens).catch((err: unknown) =>
    log.debug(
      { err },
      "the other nodes could not be notified of this node's addresses; they notice them soon",
    ),
  )
}

/** Postgres is back: what this node knows of the others may be old, and the others think that this node cannot work. */
function returned({ presence }: NatsParts, driver: Driver, sign: () => void): void {
  presence.listenAgain()
  sign()
  nudgeLeader(driver)
}

/** Runs `work` until disposed. */
function running(work: (signal: AbortSignal) => Promise<void>): AsyncDisposable {
  const stop = new AbortController()
  const done = work(stop.signal)
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('this node is stopping'))
      await done
    },
  }
}
