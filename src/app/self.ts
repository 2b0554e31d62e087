import { watchMaintenance } from '../cluster/maintenance.ts'
import type { CacheStats } from '../core/cache-stats.ts'
import type { Maintenance } from '../core/maintenance.ts'
import type { NodeReport } from '../core/node-report.ts'
import type { Degradation, KuboSign } from '../core/node.ts'
import type { Health } from '../http/health.ts'
import type { PinWorker } from '../workers/pin-worker.ts'
import { systemClock as clock } from './clock.ts'
import { clusterWatch } from './cluster-watch.ts'
import { diskWatch } from './disk.ts'
import { policyOf } from './placement-policy.ts'
import type { PostgresWatch } from './postgres-watch.ts'
import { troublesOf } from './troubles.ts'
import { version } from '../core/version.ts'
import { stateOf, type WorkerNeeds } from './workers.ts'

/** This node's knowledge of itself, for its health, its metrics and its report in Postgres. */
export interface Self {
  health(): Health
  /** This node's report about itself, which it writes to Postgres for operators. */
  report(): NodeReport
  /** What this node says of its Kubo in its heartbeats. */
  kuboSign(): KuboSign
  /** Maintenance as it was read a few seconds ago; null while it is off. */
  maintenance(): Maintenance | null
  /** This node leads under `epoch` from now on or, with null, no longer leads. Its report in Postgres says so at once. */
  onLead(epoch: number | null): void
  run(signal: AbortSignal): Promise<void>
}

export interface SelfParts {
  needs: WorkerNeeds
  worker: PinWorker
  postgres: PostgresWatch
  caches: () => Record<string, CacheStats>
}

export function selfOf({ needs, worker, postgres, caches }: SelfParts): Self {
  const { config, node, store, nats, kubo, driver, restore, log } = needs
  let leads: number | null = null
  const cluster = clusterWatch({
    node,
    nodes: () => nats.presence.nodes(),
    driver,
    operator: store.operator,
    onMaintenance: (onChange) => watchMaintenance(nats.link, onChange),
    reconcile: store.reconcile,
    maxMaintenanceMs: config.cluster.maintenance.maxDuration,
    clock,
    log,
  })
  const data = diskWatch(config.data.dir, clock)
  const reasons = (): Degradation[] =>
    [
      postgres.trouble(),
      because('nats', nats.trouble()),
      because('kubo', kubo.trouble()),
      cluster.trouble(),
      restore.trouble(),
      ...troublesOf({
        nodeId: node.nodeId,
        nodes: nats.presence.nodes(),
        reconcileBlocked: cluster.reconcileBlocked(),
        alone: kubo.trouble() === null ? cluster.alone() : null,
        disk: data.disk(),
        usedBytes: kubo.usedBytes(),
        capacityBytes: kubo.capacityBytes(),
        highWater: policyOf(config).highWater,
      }),
    ].filter((reason) => reason !== null)

  return {
    health: () => ({
      node: { id: node.nodeId, name: config.node.name },
      version: version,
      away: stateOf(needs) === 'active' ? null : 'draining',
      reasons: reasons(),
    }),
    report: () => ({
      version: version,
      leader: leads === null ? null : { epoch: leads },
      heard: nats.presence.heard(),
      caches: caches(),
      workers: driver.reports().map(({ running: _running, runs: _runs, ...worker }) => worker),
      pinning: worker.stats(),
      reasons: reasons(),
      reconcileBlocked: cluster.reconcileBlocked(),
    }),
    kuboSign: () => ({ sinceMs: kubo.sinceMs(), alone: kubo.trouble() === null && cluster.alone() !== null }),
    maintenance: () => cluster.maintenance(),
    onLead(epoch) {
      leads = epoch
      void postgres.signNow()
    },
    run: async (signal) => void (await Promise.all([cluster.run(signal), data.run(signal)])),
  }
}

function because(what: 'nats' | 'kubo', reason: string | null): Degradation | null {
  return reason === null ? null : { what, reason }
}
