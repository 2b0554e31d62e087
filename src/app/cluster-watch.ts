import type { Maintenance } from '../core/maintenance.ts'
import { isWorking } from '../core/node-standing.ts'
import type { Degradation, Node, NodeIdentity } from '../core/node.ts'
import type { Clock, Log, OperatorStore, ReconcileStore } from '../core/ports.ts'
import type { Driver, Report } from '../workers/driver.ts'
import { kuboSignOf } from '../workers/siblings.ts'
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
  /** How many other nodes have a Kubo that answers, while this node's Kubo has been connected to none of them for a while; otherwise null. */
  alone(): number | null
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
 * Wakes workers when something happens that they wait for: a node comes, goes or drains, a Kubo restarts or gets other addresses, or an
 * operator ends maintenance or confirms removals.
 */
export function clusterWatch(parts: ClusterWatchParts): ClusterWatch {
  const { node, driver, operator, reconcile, clock, log } = parts
  let maintenance: Maintenance | null = null
  let seen = new Map<string, string>()
  let kubos = new Map<string, string>()
  let round = 0

  function lookAtNodes(): void {
    const now = new Map(
      parts.nodes().map((one) => [one.id, isWorking(one) ? one.state : one.live ? 'unable' : 'silent']),
    )
    const answering = new Map(parts.nodes().flatMap((one) => (one.live ? [[one.id, kuboSignOf(one)]] : [])))
    const came = [...answering].some(([id, sign]) => kubos.get(id) !== sign)
    kubos = answering
    const changed = now.size !== seen.size || [...now].some(([id, state]) => seen.get(id) !== state)
    seen = now
    if (came) driver.nudge('siblings')
    if (changed) driver.nudge('repair')
  }

  function reportOf(worker: string): Report | null {
    return driver.reports().find(({ name }) => name === worker)?.report ?? null
  }

  function reconcileBlocked(): number | null {
    const report = reportOf('reconciler')
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
    alone() {
      const report = reportOf('siblings')
      return report?.['alone'] === true ? Number(report['siblings']) : null
    },
    async run(signal) {
      const off = parts.onMaintenance(() => (round = 0))
      // `postgresWatch` already warns when Postgres is down.
      const onError = (err: unknown): void => log.debug({ err }, 'the state of the cluster could not be read')
      await every(everyMs, look, { clock, signal, onError })
      off()
    },
  }
}
