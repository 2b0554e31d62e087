import type { Maintenance } from '../core/maintenance.ts'
import { isWorking } from '../core/node-standing.ts'
import type { Degradation, Node, NodeIdentity } from '../core/node.ts'
import type { Clock, Log, OperatorStore, ReconcileStore } from '../core/ports.ts'
import type { Driver } from '../workers/driver.ts'
import { isOverdue, overdueText } from '../workers/watchdog.ts'
import { every } from './every.ts'
import { nudgeLeader } from './workers.ts'

/** This node's knowledge of the cluster, apart from its nodes. */
export interface ClusterWatch {
  /** Maintenance as it was read from Postgres a few seconds ago; null while it is off. */
  maintenance(): Maintenance | null
  /** Set while maintenance has lasted too long; otherwise null. */
  trouble(): Degradation | null
  /** How many unwanted pins the reconciler refuses to remove until an operator confirms; null while it is not blocked. */
  reconcileBlocked(): number | null
  run(signal: AbortSignal): Promise<void>
}

export interface ClusterWatchParts {
  node: NodeIdentity
  nodes: () => readonly Node[]
  driver: Pick<Driver, 'nudge' | 'reports'>
  operator: Pick<OperatorStore, 'maintenance'>
  /** Calls `onChange` when maintenance may have changed. Returns a function that ends the subscription. */
  onMaintenance: (onChange: () => void) => () => void
  reconcile: Pick<ReconcileStore, 'isConfirmed'>
  maxMaintenanceMs: number
  clock: Clock
  log: Log
}

const everyMs = 1_000
/** Maintenance and confirmations are read from Postgres once in this many rounds. */
const readEvery = 5
const confirmedWithinMs = 3_600_000

/**
 * Wakes workers when something happens that they wait for: a node comes, goes or drains, or an operator ends maintenance or confirms
 * removals.
 */
export function clusterWatch(parts: ClusterWatchParts): ClusterWatch {
  const { node, driver, operator, reconcile, clock, log } = parts
  let maintenance: Maintenance | null = null
  let seen = new Map<string, string>()
  let round = 0

  function lookAtNodes(): void {
    const now = new Map(
      parts.nodes().map((one) => [one.id, isWorking(one) ? one.state : one.live ? 'unable' : 'silent']),
    )
    const came = [...now].some(([id, state]) => !isAway(state) && isAway(seen.get(id)))
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
      // `postgresWatch` already warns when Postgres is down.
      const onError = (err: unknown): void => log.debug({ err }, 'the state of the cluster could not be read')
      await every(everyMs, look, { clock, signal, onError })
      off()
    },
  }
}

function isAway(state: string | undefined): boolean {
  return state === undefined || state === 'unable' || state === 'silent'
}
