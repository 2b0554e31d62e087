import { runLease } from '../cluster/lease.ts'
import type { Log, NodeIdentity } from '../core/ports.ts'
import type { Pressure } from '../core/pressure.ts'
import type { Store } from '../store/store.ts'
import type { Driver } from '../workers/driver.ts'
import { pinWorker, type PinWorker } from '../workers/pin-worker.ts'
import { reconcile } from '../workers/reconcile.ts'
import { sweep } from '../workers/sweep.ts'
import { systemClock as clock } from './clock.ts'
import type { Config } from './config.ts'
import type { KuboWatch } from './kubo-watch.ts'
import type { NatsParts } from './nats.ts'

export interface WorkerNeeds {
  config: Config
  node: NodeIdentity
  store: Store
  nats: NatsParts
  kubo: KuboWatch
  driver: Driver
  pressure: Pressure
  log: Log
}

/** The loops of a node: its pin worker, and on the driver what every node does and what only the leader does. */
export function nodeWorkers({
  config,
  node,
  store,
  nats,
  kubo,
  driver,
  pressure,
  log,
}: WorkerNeeds): PinWorker {
  const worker = pinWorker({
    identity: node,
    bus: nats.bus,
    placements: store.placements,
    ipfs: kubo.ipfs,
    clock,
    hold: () => pressure.high(),
    log: log.child({ part: 'pinning' }),
    options: {
      concurrency: config.pin.concurrency,
      stallTimeoutMs: config.pin.stallTimeout,
      maxAgeMs: config.pin.maxAge,
      backoffMinMs: config.pin.backoffMin,
      backoffMaxMs: config.pin.backoffMax,
      pollIntervalMs: config.pin.pollInterval,
    },
  })
  const offer: PinWorker['offer'] = (jobs) => worker.offer(jobs)
  driver.add(reconcile({ identity: node, store: store.reconcile, ipfs: kubo.ipfs, log, offer }))
  driver.add(sweep({ store: store.sweep, bus: nats.bus, log }))
  return worker
}

/** Contends for leadership, and leads with the next epoch while it lasts. */
export function contendForLead(needs: WorkerNeeds, signal: AbortSignal): Promise<void> {
  const { config, node, store, nats, driver, log } = needs
  return runLease(
    {
      nats: nats.cluster,
      nodeId: node.nodeId,
      ttlMs: config.cluster.leaseTtl,
      nextEpoch: () => store.nodes.nextEpoch(),
      onLead: (epoch, lost) => {
        driver.lead(epoch, lost)
        return new Promise((resolve) => {
          if (lost.aborted) resolve()
          lost.addEventListener('abort', () => resolve(), { once: true })
        })
      },
      log,
    },
    signal,
  )
}
