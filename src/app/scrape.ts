import { isReady } from '../http/health.ts'
import type { Scrape } from '../http/metrics.ts'
import type { NodeView } from '../metrics/node-view.ts'
import type { PinWorker } from '../workers/pin-worker.ts'
import { systemClock as clock } from './clock.ts'
import { diskOf } from './disk.ts'
import type { Self } from './self.ts'
import type { WorkerNeeds } from './workers.ts'

/** This node's metrics, as Prometheus reads them. */
export function scrapeOf(needs: WorkerNeeds, worker: PinWorker, self: Self): Scrape {
  const { config, metrics } = needs
  return {
    allow: config.metrics.allow,
    async read() {
      const disk = await diskOf(config.data.dir)
      return { type: metrics.contentType, text: await metrics.text(viewOf(needs, worker, self, disk)) }
    },
  }
}

function viewOf(
  { store, nats, kubo, driver }: WorkerNeeds,
  worker: PinWorker,
  self: Self,
  disk: NodeView['disk'],
): NodeView {
  const { version, leader, heard, caches, reasons, reconcileBlocked } = self.report()
  const { queued, active, searching, long, finishing, refused } = worker.stats()
  const usedBytes = kubo.usedBytes()
  return {
    nowMs: clock.now(),
    steadyMs: clock.steadyMs(),
    version,
    ready: isReady(self.health()),
    reasons,
    nodes: nats.presence.nodes(),
    heard,
    epoch: leader?.epoch ?? null,
    maintenanceSince: self.maintenance()?.since ?? null,
    pinning: { queued, active, searching, long, finishing, refused },
    workers: driver.reports(),
    reconcileBlocked,
    caches,
    kubo: { usedBytes, capacityBytes: kubo.capacityBytes() },
    disk,
    pools: store.pools(),
  }
}
