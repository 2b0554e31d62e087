import { join } from 'node:path'
import { verifier } from '../auth/verifier.ts'
import { JetStreamBus } from '../cluster/bus.ts'
import { connectCluster, type Cluster } from '../cluster/connect.ts'
import type { Heartbeat } from '../cluster/heartbeat.ts'
import { runLease } from '../cluster/lease.ts'
import { startNatsServer, type NatsChild } from '../cluster/nats-server.ts'
import { startPresence } from '../cluster/presence.ts'
import { AnchorageError, isCode } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { addressesOf, type Degradation } from '../core/node.ts'
import { pinUseCases } from '../core/pins.ts'
import type { Log, NodeIdentity, Presence } from '../core/ports.ts'
import { httpServer } from '../http/server.ts'
import { kubo } from '../ipfs/kubo.ts'
import { openStore, type Store } from '../store/store.ts'
import { findTool } from '../tools/find-tool.ts'
import { natsServer } from '../tools/nats-server.ts'
import { driver } from '../workers/driver.ts'
import { pinWorker } from '../workers/pin-worker.ts'
import { reconcile } from '../workers/reconcile.ts'
import { sweep } from '../workers/sweep.ts'
import { systemClock as clock } from './clock.ts'
import { environment, requireKeys, type Config } from './config.ts'
import { kuboWatch, type KuboWatch } from './kubo-watch.ts'
import { createLog } from './log.ts'
import { masterKey } from './master-key.ts'
import { postgresWatch, type PostgresWatch } from './postgres-watch.ts'
import { version } from './version.ts'

/** A node that serves; disposing stops it cleanly. */
export interface RunningNode extends AsyncDisposable {
  url: string
  nodeId: NodeId
  /** Rejects when the node cannot go on by itself (another process runs as it). */
  ended: Promise<never>
}

const postgresPatienceMs = 60_000

/**
 * One node: everything is made here, in the order in which it is needed, and stopped in the order of style: HTTP stops
 * accepting, workers hand back, the lease is released, NATS is drained, the pools close.
 * Refuses (`invalid`) a schema or logins it must not serve with; `unavailable` when Postgres did not answer for a minute.
 * NATS or Kubo may be down: the node is degraded then, and takes pins all the same.
 */
export async function startNode(given: Config): Promise<RunningNode> {
  const config = requireKeys(given, ['database.url', 'database.systemUrl'])
  const log = createLog({ level: config.log.level })
  const key = await masterKey(config)
  await using undo = new AsyncDisposableStack()

  let presence: Presence = { nodes: () => [] }
  const addresses = addressBook(() => presence.nodes())
  const store = undo.use(
    openStore({
      tenantUrl: config.database.url.reveal(),
      systemUrl: config.database.systemUrl.reveal(),
      log: log.child({ part: 'postgres' }),
      addresses,
      unpinGraceMs: config.pin.unpinGrace,
    }),
  )
  await untilPostgres(store, log)
  const node = await store.nodes.boot(config.node.name)
  const nodeLog = log.child({ nodeId: node.nodeId })
  while ((await store.nodes.voidClaims(node, 500)) > 0);

  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  const workers = driver({ clock, log: nodeLog })
  const raw = undo.use(
    kubo({
      rpcUrl: config.kubo.rpc,
      pinName: await store.nodes.clusterId(),
      allowPrivateOrigins: config.pin.allowPrivateOrigins,
      ...(config.pin.resolveOrigins ? {} : { resolveName: null }),
    }),
  )
  const kuboSeen = kuboWatch({
    ipfs: raw,
    store: store.nodes,
    node,
    announce: config.node.announce,
    clock,
    log: nodeLog.child({ part: 'kubo' }),
    onReturn: () => workers.nudge('reconciler'),
  })
  const postgresSeen = postgresWatch({
    store: store.nodes,
    node,
    sign: () => ({ usedBytes: kuboSeen.usedBytes(), capacityBytes: kuboSeen.capacityBytes() }),
    clock,
    log: nodeLog.child({ part: 'postgres' }),
    onReplaced: ended.reject,
  })
  await postgresSeen.refresh()

  const nats = await natsOf(config, node.nodeId, nodeLog.child({ part: 'nats' }), undo)
  const cluster = undo.use(
    connectCluster({
      url: nats.url,
      nodeId: node.nodeId,
      log: nodeLog.child({ part: 'nats' }),
      onRebuilt: () => workers.nudge('requeue-sweeper'),
      onBrokenStore: (reason) => void nats.child?.replaceStore(reason),
    }),
  )
  presence = undo.use(
    startPresence({
      nats: cluster,
      self: () => heartbeatOf(config, node, postgresSeen, kuboSeen),
      known: postgresSeen.nodes,
      log: nodeLog.child({ part: 'nats' }),
    }),
  )
  const bus = new JetStreamBus(cluster, nodeLog.child({ part: 'nats' }))
  const worker = pinWorker({
    identity: node,
    bus,
    placements: store.placements,
    ipfs: kuboSeen.ipfs,
    clock,
    log: nodeLog.child({ part: 'pinning' }),
    options: {
      concurrency: config.pin.concurrency,
      stallTimeoutMs: config.pin.stallTimeout,
      maxAgeMs: config.pin.maxAge,
      backoffMinMs: config.pin.backoffMin,
      backoffMaxMs: config.pin.backoffMax,
      pollIntervalMs: config.pin.pollInterval,
    },
  })
  workers.add(sweep({ store: store.sweep, bus, log: nodeLog }))
  workers.add(
    reconcile({
      identity: node,
      store: store.reconcile,
      ipfs: kuboSeen.ipfs,
      log: nodeLog,
      offer: (jobs) => worker.offer(jobs),
    }),
  )

  undo.use(running((signal) => postgresSeen.run(signal)))
  undo.use(running((signal) => kuboSeen.run(signal)))
  undo.use(running((signal) => lease(cluster, config, store, node, workers, nodeLog, signal)))
  undo.use(running((signal) => workers.run(signal)))
  undo.use(running((signal) => worker.run(signal)))

  let stopping = false
  const http = httpServer({
    pins: pinUseCases({ store: store.pins, presence, bus, clock, log: nodeLog }),
    verify: verifier({ store: store.tokens, masterKey: key, clock }).verify,
    health: () => ({
      node: { id: node.nodeId, name: config.node.name },
      version: version(),
      away: stopping ? 'stopping' : null,
      reasons: reasonsOf(postgresSeen, kuboSeen, () => nats.child?.trouble() ?? cluster.trouble()),
    }),
    log: nodeLog.child({ part: 'http' }),
  })
  undo.defer(async () => {
    stopping = true
    await http.close()
  })
  const { host, port } = config.http.listen
  const url = await http.listen({ host, port }).catch((cause: unknown) => {
    throw new AnchorageError(
      'unavailable',
      `cannot listen on ${host}:${port} (http.listen): ${String(cause)}`,
      { cause },
    )
  })
  nodeLog.info({ url, incarnation: node.incarnation }, 'this node serves')

  const kept = undo.move()
  return {
    url,
    nodeId: node.nodeId,
    ended: ended.promise,
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  }
}

/** Postgres may come up after its nodes: they wait for it, and then look whether they may serve. */
async function untilPostgres(store: Store, log: Log): Promise<void> {
  const deadline = clock.now() + postgresPatienceMs
  for (let told = false; ; told = true) {
    try {
      return await store.nodes.assertReady()
    } catch (error) {
      if (!isCode(error, 'unavailable') || clock.now() > deadline) throw error
      if (!told) log.warn({ err: error }, 'waiting for Postgres')
    }
    await clock.sleep(500, AbortSignal.timeout(60_000))
  }
}

/** The outside NATS of the config, or a nats-server of our own. */
async function natsOf(
  config: Config,
  nodeId: NodeId,
  log: Log,
  undo: AsyncDisposableStack,
): Promise<{ url: string; child: NatsChild | null }> {
  if (config.nats.url !== undefined) return { url: config.nats.url.reveal(), child: null }
  const child = undo.use(
    await startNatsServer({
      binary: async (signal) => {
        const say = (line: string): void => log.info({}, line)
        const configured = config.nats.binary
        return (await findTool(natsServer(), { env: environment(), say, signal, configured })).path
      },
      dir: join(config.data.dir, 'nats'),
      clientPort: config.nats.clientPort,
      serverName: nodeId,
      restartAfterMs: config.nats.restartAfter,
      log,
    }),
  )
  return { url: child.url, child }
}

/** Contends for leadership, and leads with the next epoch. */
function lease(
  cluster: Cluster,
  config: Config,
  store: Store,
  node: NodeIdentity,
  workers: ReturnType<typeof driver>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  return runLease(
    {
      nats: cluster,
      nodeId: node.nodeId,
      ttlMs: config.cluster.leaseTtl,
      nextEpoch: () => store.nodes.nextEpoch(),
      onLead: async (epoch, lost) => {
        workers.lead(epoch, lost)
        log.info({ epoch }, 'this node leads')
        if (!lost.aborted)
          await new Promise((resolve) => lost.addEventListener('abort', resolve, { once: true }))
      },
      log,
    },
    signal,
  )
}

function heartbeatOf(
  config: Config,
  node: NodeIdentity,
  postgres: PostgresWatch,
  kubo: KuboWatch,
): Heartbeat {
  const known = postgres.nodes().find(({ id }) => id === node.nodeId)
  return {
    nodeId: node.nodeId,
    name: config.node.name,
    incarnation: node.incarnation,
    zone: known?.zone ?? null,
    multiaddrs: kubo.multiaddrs() ?? known?.multiaddrs ?? [],
    capacityBytes: kubo.capacityBytes() ?? known?.capacityBytes ?? null,
    usedBytes: kubo.usedBytes() ?? known?.usedBytes ?? null,
    cordoned: known?.cordoned ?? false,
  }
}

function reasonsOf(
  postgres: PostgresWatch,
  kubo: KuboWatch,
  natsTrouble: () => string | null,
): Degradation[] {
  const database = postgres.trouble()
  const nats = natsTrouble()
  const ipfs = kubo.trouble()
  return [
    ...(database === null ? [] : [database]),
    ...(nats === null ? [] : [{ what: 'nats' as const, reason: nats }]),
    ...(ipfs === null ? [] : [{ what: 'kubo' as const, reason: ipfs }]),
  ]
}

/** Addresses by node, made anew only when the nodes were. */
function addressBook(nodes: Presence['nodes']): (id: NodeId) => string[] {
  let from: readonly unknown[] | null = null
  let book = new Map<NodeId, string[]>()
  return (id) => {
    const list = nodes()
    if (list !== from) book = new Map(list.map((node) => [node.id, addressesOf(node)]))
    from = list
    return book.get(id) ?? addressesOf({ id, multiaddrs: [] })
  }
}

/** Something that runs until it is disposed of. */
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
