/** One metric family, as Prometheus and its readers need to know it. */
export interface Family {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  /** Each label has few values, known beforehand or as many as there are nodes: never an org, a CID or an address. */
  labels: readonly string[]
  /**
   * `event`: counted as it happens. `look`: read from this node's memory at each scrape. `leader`: a value of the whole cluster, which the
   * leader reads from Postgres every few seconds. Other nodes have no values for it, so a sum over all nodes counts nothing twice.
   */
  from: 'event' | 'look' | 'leader'
  /** The upper bounds of a histogram. */
  buckets?: readonly number[]
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const upToADay = [0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200, 43_200, 86_400]
const upToALease = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** All families, each defined once; `docs/metrics.md` and the instruments come from here. */
export const families = {
  anchorage_build_info: look('gauge', 'Always 1; the label is the version of this node.', ['version']),
  anchorage_ready: look('gauge', '1 while this node accepts requests, as /v1/ready says; otherwise 0.'),
  anchorage_healthy: look(
    'gauge',
    '1 while this part of the node works; otherwise 0, and /v1/ready says why.',
    ['part'],
  ),

  anchorage_http_request_duration_seconds: histogram(
    'Time from a request to the end of its answer. The route is its pattern; `none` means all paths that no route matches.',
    seconds,
    ['method', 'route', 'status'],
  ),
  anchorage_limit_refusals_total: counted(
    'Requests and connections that a limit refused; docs/limits.md names the limits.',
    ['limit'],
  ),

  anchorage_accept_batch_pins: histogram(
    'New pins that one transaction accepted. Replacements are not counted.',
    [1, 2, 4, 8, 16, 24, 32],
  ),
  anchorage_accept_duration_seconds: histogram(
    'Time of one transaction that accepts new pins, whether it succeeds or not.',
    seconds,
  ),
  anchorage_accept_failures_total: counted('Failed transactions that were to accept new pins.'),
  anchorage_pin_duration_seconds: histogram(
    'Time from the last request for a content until this node had a copy of it, including waiting.',
    upToADay,
  ),
  anchorage_attempts_total: counted(
    'Attempts at a placement that ended on this node. `code` is the error code, and empty without an error.',
    ['outcome', 'code'],
  ),
  anchorage_pinned_bytes_total: counted('Bytes of the DAGs that this node pinned.'),
  anchorage_jobs: look(
    'gauge',
    'Jobs in the memory of this node: `queued` jobs wait for a slot, `active` ones have one, `searching` and `long` ones run without a slot, and the outcome of `finishing` ones is being written.',
    ['state'],
  ),
  anchorage_jobs_refused_total: look(
    'counter',
    'Jobs that this node dropped because their placement had no work to do.',
  ),
  anchorage_queue_oldest_seconds: look(
    'gauge',
    'How long the oldest waiting placement of this node has been due; 0 when none waits. Read from Postgres every 15 seconds.',
  ),

  anchorage_pins: leader('Pins of all orgs.', ['status']),
  anchorage_placements: leader(
    'Placements. On a node that counts as down, the state of all placements is `lost`.',
    ['node', 'state', 'reason'],
  ),
  anchorage_copies_missing: leader(
    'Missing copies of contents: on a silent node (`node_down`), being copied again (`repairing`), or impossible to fetch (`failed`). New pins that wait do not count.',
    ['cause'],
  ),
  anchorage_contents_unsettled: leader(
    'Contents that the repair worker has yet to look at, counted up to 100,000. Some remain while there ' +
      'are too few nodes or too little room.',
  ),
  anchorage_plan_moves: leader('Moves of the plan that is being applied.', ['state']),
  anchorage_plan_bytes: leader('Total bytes of the plan that is being applied; 0 without such a plan.'),
  anchorage_measured_timestamp_seconds: leader(
    'When the leader last read the families of the whole cluster.',
  ),

  anchorage_leader: look('gauge', '1 on the node that leads; otherwise 0.'),
  anchorage_leader_epoch: look('gauge', 'The epoch under which this node leads; 0 if it does not lead.'),
  anchorage_leader_terms_ended_total: counted(
    'Terms in which this node led, by the reason for their end: the node `stopped`, the lease was `lost`, Postgres had another `epoch`, or the `database` could not be reached.',
    ['reason'],
  ),
  anchorage_lease_renewals_total: counted(
    'Attempts of this node to renew its lease while it led: `renewed` or `failed`.',
    ['result'],
  ),
  anchorage_lease_renewal_late_seconds: histogram(
    'How late each renewal of the lease was answered. The lease is lost at about 0.65 of `cluster.leaseTtl`.',
    upToALease,
  ),
  anchorage_node_live: look(
    'gauge',
    '1 for each node that is alive, as far as this node knows; otherwise 0.',
    ['node'],
  ),
  anchorage_node_working: look(
    'gauge',
    '1 for each node that is alive and reaches its Kubo and Postgres, as far as this node knows; otherwise 0.',
    ['node'],
  ),
  anchorage_node_state: look(
    'gauge',
    '1 for the state that operators gave each node: active, draining or drained; otherwise 0.',
    ['node', 'state'],
  ),
  anchorage_presence_age_seconds: look('gauge', 'How long ago this node heard each other node over NATS.', [
    'node',
  ]),
  anchorage_maintenance_age_seconds: look('gauge', 'How long maintenance has been on; 0 when it is off.'),
  anchorage_maintenance_overdue: look(
    'gauge',
    '1 while maintenance without an end lasts longer than `cluster.maintenance.maxDuration`; otherwise 0.',
  ),

  anchorage_worker_runs_total: look('counter', 'Runs of each worker on this node, including failed ones.', [
    'worker',
  ]),
  anchorage_worker_failures: look('gauge', 'Consecutive failures of each worker; 0 after a success.', [
    'worker',
  ]),
  anchorage_worker_last_run_duration_seconds: look('gauge', 'How long the last run of each worker took.', [
    'worker',
  ]),
  anchorage_worker_last_run_timestamp_seconds: look('gauge', 'When the last run of each worker ended.', [
    'worker',
  ]),
  anchorage_reconcile_blocked_pins: look(
    'gauge',
    'Pins in Kubo that the reconciler removes only after `anchorage admin reconcile --confirm`; 0 while it needs no confirmation.',
  ),

  anchorage_cache_hits_total: look('counter', 'Look-ups that were answered from memory.', ['cache']),
  anchorage_cache_misses_total: look('counter', 'Look-ups that were answered from Postgres.', ['cache']),
  anchorage_cache_invalidations_total: look('counter', 'Changes that other nodes notified this node of.', [
    'cache',
  ]),
  anchorage_cache_flushes_total: look(
    'counter',
    'How often the whole cache was emptied because changes may have been missed.',
    ['cache'],
  ),
  anchorage_cache_entries: look('gauge', 'Entries of each cache.', ['cache']),

  anchorage_kubo_used_bytes: look('gauge', 'The size of the Kubo repository of this node.'),
  anchorage_kubo_capacity_bytes: look('gauge', 'The maximum size of the Kubo repository of this node.'),
  anchorage_data_disk_bytes: look('gauge', 'The size of the file system that holds `data.dir`.'),
  anchorage_data_disk_free_bytes: look('gauge', 'The free space for this process on that file system.'),
  anchorage_postgres_connections: look('gauge', 'Open connections to Postgres.', ['pool', 'state']),
  anchorage_postgres_waiting: look('gauge', 'Queries that wait for a connection to Postgres.', ['pool']),
} as const satisfies Record<string, Family>

export type FamilyName = keyof typeof families
type NamesOf<F extends Partial<Family>> = {
  [N in FamilyName]: (typeof families)[N] extends F ? N : never
}[FamilyName]
export type CounterName = NamesOf<{ type: 'counter'; from: 'event' }>
export type HistogramName = NamesOf<{ type: 'histogram' }>
export type SeenName = NamesOf<{ from: 'look' | 'leader' }>
/** One value for each label of a family. */
export type LabelsOf<N extends FamilyName> = Record<(typeof families)[N]['labels'][number], string>

function histogram<const L extends string = never>(
  help: string,
  buckets: readonly number[],
  labels: readonly L[] = [],
) {
  return { type: 'histogram', help, labels, from: 'event', buckets } as const
}

function counted<const L extends string = never>(help: string, labels: readonly L[] = []) {
  return { type: 'counter', help, labels, from: 'event' } as const
}

function look<const T extends 'counter' | 'gauge', const L extends string = never>(
  type: T,
  help: string,
  labels: readonly L[] = [],
) {
  return { type, help, labels, from: 'look' } as const
}

function leader<const L extends string = never>(help: string, labels: readonly L[] = []) {
  return { type: 'gauge', help, labels, from: 'leader' } as const
}
