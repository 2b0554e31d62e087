import type { Degradation, Node } from '../core/node.ts'
import type { Clock, Log, Maintenance, NodeIdentity, OperatorStore, ReconcileStore } from '../core/ports.ts'
import type { Driver } from '../workers/driver.ts'
import { isOverdue, overdueText } from '../workers/watchdog.ts'
import { every } from './every.ts'
import { nudgeLeader } from './workers.ts'

/** What this node sees of the cluster beside its nodes. */
export interface ClusterWatch {
  /** As it was read a few seconds ago. */
  maintenance(): Maintenance | null
  /** Maintenance that lasts too long; null otherwise. */
  trouble(): Degradation | null
  /** So many pins the reconciler found too many to remove; null while it goes on by itself. */
  reconcileBlocked(): number | null
  run(signal: AbortSignal): Promise<void>
}

export interface ClusterWatchParts {
  node: NodeIdentity
  nodes: () => readonly Node[]
  driver: Pick<Driver, 'nudge' | 'reports'>
  operator: Pick<OperatorStore, 'maintenance'>
  /** Calls when maintenance may have changed; returns how to stop that. */
  onMaintenance: (onChange: () => void) => () => void
  reconcile: Pick<ReconcileStore, 'isConfirmed'>
  maxMaintenanceMs: number
  clock: Clock
  log: Log
}

const everyMs = 1_000
/** Of these rounds: what operators said is read. */
const readEvery = 5
const confirmedWithinMs = 3_600_000

/** Wakes workers at what they wait for: nodes that come, go or drain, and an operator's word. */
export function clusterWatch(parts: ClusterWatchParts): ClusterWatch {
  const { node, driver, operator, reconcile, clock, log } = parts
  let maintenance: Maintenance | null = null
  let seen = new Map<string, string>()
  let round = 0

  function lookAtNodes(): void {
    const now = new Map(parts.nodes().map(({ id, live, state }) => [id, live ? state : 'silent']))
    const came = [...now].some(([id, state]) => state !== 'silent' && (seen.get(id) ?? 'silent') === 'silent')
    const changed = now.size !== seen.size || [...now].some(([id, state]) => seen.get(id) !== state)
    seen = now
    if (came) driver.nudge('siblings')
    if (changed) driver.nudge('repair')
  }

  function reconcileBlocked(): number | null {
    const report = driver.reports().find(({ name }) => name === 'reconciler')?.report
    return report?.['blocked'] === true ? Number(report['unwanted']) : null
  }

  async function look(): Promise<void> {
    lookAtNodes()
    if (round++ % readEvery > 0) return
    const was = maintenance
    maintenance = await operator.maintenance()
    if (was !== null && maintenance === null) nudgeLeader(driver)
    if (reconcileBlocked() !== null && (await reconcile.isConfirmed(node, confirmedWithinMs)))
      driver.nudge('reconciler')
  }

  return {
    maintenance: () => maintenance,
    trouble() {
      const nowMs = clock.now()
      if (maintenance === null || !isOverdue(maintenance, parts.maxMaintenanceMs, nowMs)) return null
      return { what: 'maintenance', reason: overdueText(maintenance, nowMs) }
    },
    reconcileBlocked,
    async run(signal) {
      const off = parts.onMaintenance(() => (round = 0))
      // Whoever watches Postgres says that it is away.
      const onError = (err: unknown): void => log.debug({ err }, 'the cluster could not be looked at')
      await every(everyMs, look, { clock, signal, onError })
      off()
    },
  }
}
