import { runLease } from '../cluster/lease.ts'
import { mirrorMaintenance } from '../cluster/maintenance.ts'
import { takesContent } from '../core/choose-nodes.ts'
import { numberOf } from '../core/epoch.ts'
import type { NodeState, NodeIdentity } from '../core/node.ts'
import type { Job } from '../core/placement.ts'
import type { Log } from '../core/ports.ts'
import type { Pressure } from '../core/accept-pressure.ts'
import type { Tracing } from '../core/tracing.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Store } from '../store/store.ts'
import { collectGarbage } from '../workers/collect-garbage.ts'
import type { Driver } from '../workers/driver.ts'
import { Intake } from '../workers/intake.ts'
import { clusterMeasure, queueWatch } from '../workers/measure.ts'
import { pinWorker, type PinWorker } from '../workers/pin-worker.ts'
import { prune } from '../workers/prune.ts'
import { rebalance } from '../workers/rebalance.ts'
import { missingPins, reconcile } from '../workers/reconcile.ts'
import { repair } from '../workers/repair.ts'
import { removeOrgs } from '../workers/remove-orgs.ts'
import type { Room } from '../workers/room.ts'
import { siblings } from '../workers/siblings.ts'
import { sweep } from '../workers/sweep.ts'
import { watchdog } from '../workers/watchdog.ts'
import { systemClock as clock } from './clock.ts'
import type { Config } from '../config/config.ts'
import type { KuboWatch } from './kubo-watch.ts'
import type { NatsParts } from './nats.ts'
import { policyOf } from './placement-policy.ts'
import type { RestoreWatch } from './restore-watch.ts'

export interface WorkerNeeds {
  config: Config
  node: NodeIdentity
  store: Store
  nats: NatsParts
  kubo: KuboWatch
  driver: Driver
  pressure: Pressure
  metrics: Metrics
  tracing: Tracing
  restore: RestoreWatch
  log: Log
}

/** The workers of a node: the pin worker, which is returned, and on the driver those of every node and those of the leader. */
export function nodeWorkers(needs: WorkerNeeds): PinWorker {
  const { config, node, nats, kubo, pressure, metrics, tracing, log } = needs
  const intake = new Intake({
    state: () => stateOf(needs),
    graceMs: config.cluster.drainGracePeriod,
    restored: () => needs.restore.restored(),
    clock,
  })
  const worker = pinWorker({
    identity: node,
    bus: tracing.bus(nats.bus),
    placements: needs.restore.watching(needs.store.placements),
    ipfs: tracing.ipfs(kubo.ipfs),
    clock,
    hold: () => pressure.high(),
    taking: () => intake.taking(),
    room: roomOf(needs),
    isRestored: () => needs.restore.isRestored(),
    onEnd: metrics.ended,
    log: log.child({ part: 'pinning' }),
    trace: tracing.attempts,
    options: {
      concurrency: config.pin.concurrency,
      stallTimeoutMs: config.pin.stallTimeout,
      minRateBytes: config.pin.minRate,
      maxAgeMs: config.pin.maxAge,
      backoffMinMs: config.pin.backoffMin,
      backoffMaxMs: config.pin.backoffMax,
      pollIntervalMs: config.pin.pollInterval,
    },
  })
  addNodeWorkers(needs, worker, intake)
  addLeaderWorkers(needs)
  return worker
}

function addNodeWorkers(needs: WorkerNeeds, worker: PinWorker, intake: Intake): void {
  const { config, node, store, nats, kubo, driver, metrics, restore, log } = needs
  const reconciled = {
    identity: node,
    store: store.reconcile,
    restore,
    ipfs: kubo.ipfs,
    log,
    offer: (jobs: Job[]) => worker.offer(jobs),
    isBusy: (cid: string) => worker.isBusy(cid),
  }
  driver.add(reconcile(reconciled))
  driver.add(
    collectGarbage({
      identity: node,
      store: store.garbage,
      isRestored: () => restore.isRestored(),
      ipfs: kubo.ipfs,
      intake,
      underWay: () => worker.underWay(),
      release: () => worker.release(),
      requeueMissing: missingPins(reconciled),
      highWater: policyOf(config).highWater,
      clock,
      log,
    }),
  )
  driver.add(siblings({ nodeId: node.nodeId, nodes: () => nats.presence.nodes(), ipfs: kubo.ipfs, clock }))
  driver.add(queueWatch({ identity: node, store: store.measures, onMeasured: metrics.queueMeasured }))
}

function addLeaderWorkers({ config, store, nats, driver, metrics, log }: WorkerNeeds): void {
  const { bus, link } = nats
  driver.add(sweep({ store: store.sweep, bus, log }))
  driver.add(clusterMeasure({ store: store.measures, onMeasured: metrics.clusterMeasured }))
  driver.add(removeOrgs({ store: store.orgRemoval, bus, log }))
  driver.add(
    repair({
      store: store.repair,
      nodes: () => nats.presence.nodes(),
      bus,
      policy: policyOf(config),
      listenedMs: () => nats.presence.listenedMs(),
      listenAgain: () => nats.presence.listenAgain(),
      acceptMs: () => nats.presence.acceptMs(),
      soon: () => void setTimeout(() => driver.nudge('repair'), pacedEveryMs).unref(),
      clock,
      log: log.child({ part: 'repair' }),
    }),
  )
  driver.add(
    rebalance({
      plans: store.plans,
      copies: store.repair,
      bus,
      limits: { moves: config.rebalance.movesInFlight, bytes: config.rebalance.bytesInFlight },
      acceptMs: () => nats.presence.acceptMs(),
      clock,
      log,
    }),
  )
  driver.add(
    watchdog({
      store: store.operator,
      maxMs: config.cluster.maintenance.maxDuration,
      mirror: (maintenance) =>
        void mirrorMaintenance(link, maintenance).catch((err: unknown) =>
          log.debug({ err }, 'maintenance is not copied to NATS yet'),
        ),
      clock,
      log,
    }),
  )
  const { operator, plans, tokens, sessions, audit } = store
  driver.add(prune({ store: operator, plans, tokens, sessions, audit, auditMonths: config.audit.retain }))
}

/** The state that operators want for this node. */
export function stateOf({ node, nats }: Pick<WorkerNeeds, 'node' | 'nats'>): NodeState {
  return nats.presence.nodes().find(({ id }) => id === node.nodeId)?.state ?? 'active'
}

/** How soon repair runs again after it held back copies for the sake of accepts. */
const pacedEveryMs = 200

/** This node's room for content, for the pin worker. Kubo is asked for its use every few seconds. */
function roomOf({ config, node, nats, kubo }: WorkerNeeds): Room {
  const { highWater } = policyOf(config)
  return {
    usedBytes: () => kubo.usedBytes(),
    leftBytes() {
      const used = kubo.usedBytes()
      const capacity = kubo.capacityBytes()
      return used === null || capacity === null ? null : Math.max(capacity * highWater - used, 0)
    },
    elsewhere: () =>
      nats.presence
        .nodes()
        .some((other) => other.id !== node.nodeId && takesContent(other, 0, { highWater })),
  }
}

/** Makes the leader's sweep, repair and rebalancing run at once. */
export function nudgeLeader(driver: Pick<Driver, 'nudge'>): void {
  for (const name of ['requeue-sweeper', 'repair', 'rebalance']) driver.nudge(name)
}

/**
 * Contends for leadership and, while this node has it, leads under the next epoch. Calls `onChange` with the epoch, and with null when
 * leadership ends.
 */
export function contendForLead(
  needs: WorkerNeeds,
  onChange: (epoch: number | null) => void,
  signal: AbortSignal,
): Promise<void> {
  const { config, node, store, nats, driver, metrics, log } = needs
  return runLease(
    {
      link: nats.link,
      nodeId: node.nodeId,
      ttlMs: config.cluster.leaseTtl,
      epochs: store.epochs,
      onRenewal: metrics.renewed,
      onLead: async (epoch, lost) => {
        onChange(numberOf(epoch))
        const why = await driver.lead(epoch, lost)
        onChange(null)
        metrics.termEnded(why === 'lease' ? (signal.aborted ? 'stopped' : 'lost') : why)
      },
      log,
    },
    signal,
  )
}
