import { nodeStates, type Degradation } from '../core/node.ts'
import type { NodeId } from '../core/ids.ts'
import { isWorking } from '../core/node-standing.ts'
import { missingCopies } from '../core/missing-copies.ts'
import type { LabelsOf, SeenName } from './families.ts'
import type { Measured, NodeView } from './node-view.ts'
import type { Sample } from './instruments.ts'

/**
 * The values of all families that are read at a scrape. Unknown values are left out, and so are the values of the cluster on a node that
 * does not lead now.
 */
export function samplesOf(view: NodeView, { queue, cluster }: Measured): Sample[] {
  return [
    ...ofNode(view),
    ...ofMembers(view),
    ...ofWork(view),
    ...ofQueue(queue, view.steadyMs),
    ...ofMeans(view),
    ...(cluster === null || cluster.epoch !== view.epoch ? [] : ofCluster(view.nodes, cluster)),
  ]
}

/** The age of the queue is read every 15 seconds. A reading older than this says nothing about now. */
const queueKnownForMs = 60_000

/** All parts that can be unwell. The type makes sure that none is missing. */
const parts = Object.keys({
  postgres: true,
  schema: true,
  nats: true,
  kubo: true,
  maintenance: true,
  peer: true,
  reconciler: true,
  disk: true,
  siblings: true,
  history: true,
} satisfies Record<Degradation['what'], true>)

function ofNode({ version, ready, reasons, epoch, maintenanceSince, nowMs }: NodeView): Sample[] {
  const unwell = new Set<string>(reasons.map(({ what }) => what))
  return [
    sample('anchorage_build_info', 1, { version }),
    sample('anchorage_ready', Number(ready), {}),
    ...parts.map((part) => sample('anchorage_healthy', Number(!unwell.has(part)), { part })),
    sample('anchorage_leader', Number(epoch !== null), {}),
    sample('anchorage_leader_epoch', epoch ?? 0, {}),
    sample('anchorage_maintenance_age_seconds', ageSeconds(maintenanceSince, nowMs), {}),
    sample('anchorage_maintenance_overdue', Number(unwell.has('maintenance')), {}),
  ]
}

function ageSeconds(since: Date | null, nowMs: number): number {
  return since === null ? 0 : Math.max(nowMs - since.getTime(), 0) / 1000
}

function ofMembers({ nodes, heard }: NodeView): Sample[] {
  return nodes.flatMap((each) => {
    const { id, name: node, live, state: its } = each
    const heardMs = heard[id]
    return [
      sample('anchorage_node_live', Number(live), { node }),
      sample('anchorage_node_working', Number(isWorking(each)), { node }),
      ...nodeStates.map((state) => sample('anchorage_node_state', Number(state === its), { node, state })),
      ...(heardMs === undefined ? [] : [sample('anchorage_presence_age_seconds', heardMs / 1000, { node })]),
    ]
  })
}

function ofWork({ pinning, workers, reconcileBlocked }: NodeView): Sample[] {
  const { refused, ...jobs } = pinning
  return [
    ...Object.entries(jobs).map(([state, n]) => sample('anchorage_jobs', n, { state })),
    sample('anchorage_jobs_refused_total', refused, {}),
    sample('anchorage_reconcile_blocked_pins', reconcileBlocked ?? 0, {}),
    ...workers.flatMap(({ name: worker, runs, failures, endedAtMs, tookMs }) => [
      sample('anchorage_worker_runs_total', runs, { worker }),
      sample('anchorage_worker_failures', failures, { worker }),
      ...known('anchorage_worker_last_run_duration_seconds', seconds(tookMs), { worker }),
      ...known('anchorage_worker_last_run_timestamp_seconds', seconds(endedAtMs), { worker }),
    ]),
  ]
}

/** While Postgres cannot be asked, the age of the queue is unknown. */
function ofQueue(queue: Measured['queue'], steadyMs: number): Sample[] {
  if (queue === null || steadyMs - queue.atSteadyMs > queueKnownForMs) return []
  return [sample('anchorage_queue_oldest_seconds', queue.oldestMs / 1000, {})]
}

function ofMeans({ caches, kubo, disk, pools }: NodeView): Sample[] {
  return [
    ...Object.entries(caches).flatMap(([cache, { hits, misses, invalidations, flushes, size }]) => [
      sample('anchorage_cache_hits_total', hits, { cache }),
      sample('anchorage_cache_misses_total', misses, { cache }),
      sample('anchorage_cache_invalidations_total', invalidations, { cache }),
      sample('anchorage_cache_flushes_total', flushes, { cache }),
      sample('anchorage_cache_entries', size, { cache }),
    ]),
    ...known('anchorage_kubo_used_bytes', kubo.usedBytes, {}),
    ...known('anchorage_kubo_capacity_bytes', kubo.capacityBytes, {}),
    ...known('anchorage_data_disk_bytes', disk?.bytes ?? null, {}),
    ...known('anchorage_data_disk_free_bytes', disk?.freeBytes ?? null, {}),
    ...Object.entries(pools).flatMap(([pool, { idle, busy, waiting }]) => [
      sample('anchorage_postgres_connections', idle, { pool, state: 'idle' }),
      sample('anchorage_postgres_connections', busy, { pool, state: 'busy' }),
      sample('anchorage_postgres_waiting', waiting, { pool }),
    ]),
  ]
}

function ofCluster(nodes: NodeView['nodes'], { measures, atMs }: NonNullable<Measured['cluster']>): Sample[] {
  const { pins, placements, unsettled, plan } = measures
  const names = new Map(nodes.map(({ id, name }) => [id, name]))
  const silent = new Set(nodes.filter(({ live }) => !live).map(({ id }) => id))
  const left = plan === null ? 0 : plan.moves - plan.done - plan.skipped
  return [
    ...Object.entries(pins).map(([status, n]) => sample('anchorage_pins', n, { status })),
    ...placements.map(({ nodeId, state, reason, count }) =>
      sample('anchorage_placements', count, { node: names.get(nodeId) ?? nodeId, state, reason }),
    ),
    ...Object.entries(missing(placements, silent)).map(([cause, n]) =>
      sample('anchorage_copies_missing', n, { cause }),
    ),
    sample('anchorage_contents_unsettled', unsettled, {}),
    sample('anchorage_plan_moves', left, { state: 'left' }),
    sample('anchorage_plan_moves', plan?.done ?? 0, { state: 'done' }),
    sample('anchorage_plan_moves', plan?.skipped ?? 0, { state: 'skipped' }),
    sample('anchorage_plan_bytes', plan?.bytes ?? 0, {}),
    sample('anchorage_measured_timestamp_seconds', atMs / 1000, {}),
  ]
}

/** Counts missing copies by the value of the label `cause`. */
function missing(
  placements: Placements,
  silent: ReadonlySet<NodeId>,
): Record<'node_down' | 'repairing' | 'failed', number> {
  const { nodeDown: node_down, repairing, failed } = missingCopies(placements, silent)
  return { node_down, repairing, failed }
}

type Placements = NonNullable<Measured['cluster']>['measures']['placements']

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}

function known<N extends SeenName>(name: N, value: number | null, labels: LabelsOf<N>): Sample[] {
  return value === null ? [] : [sample(name, value, labels)]
}

function sample<N extends SeenName>(name: N, value: number, labels: LabelsOf<N>): Sample {
  return { name, labels, value }
}
