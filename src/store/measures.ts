import type { Epoch } from '../core/epoch.ts'
import { idOf, uuidOf } from '../core/ids.ts'
import type { MeasureStore } from '../core/measure-ports.ts'
import type { ClusterMeasures, Held } from '../core/measures.ts'
import { pinStatuses, type PinStatus } from '../core/pin.ts'
import type { Database, SystemTx } from './database.ts'

/** At most this many changes are added up in one transaction. */
const changesMax = 50_000
/** Unsettled contents are counted up to this number. */
const unsettledMax = 100_000

/** Reads counters that are maintained as pins and placements change. It never reads the pins or placements themselves to count them. */
export function measureStore(db: Database, applying: () => Promise<ClusterMeasures['plan']>): MeasureStore {
  return {
    async queueOldestMs({ nodeId }) {
      const [row] = await db.statement.query<{ ms: number }>('select queue_oldest_ms($1) as ms', [
        uuidOf(nodeId),
      ])
      return row?.ms ?? 0
    },
    held: () => held(db.statement),
    pins: () => pins(db.statement),
    unsettled: () => unsettled(db.statement),
    async cluster(epoch) {
      while ((await addUp(db.statement, epoch)) === changesMax);
      return {
        pins: await pins(db.statement),
        placements: await placements(db.statement),
        unsettled: await unsettled(db.statement),
        plan: await applying(),
      }
    },
  }
}

async function addUp(tx: SystemTx, epoch: Epoch): Promise<number> {
  const [row] = await tx.query<{ n: number }>('select add_up_placements($1, $2) as n', [epoch, changesMax])
  return row?.n ?? 0
}

/** Sums `pin_counts` by org, in the order of its index: a few rows for each org, and one more for each million of its pins. */
async function pins(tx: SystemTx): Promise<Record<PinStatus, number>> {
  const rows = await tx.query<{ status: PinStatus; n: number }>(
    `select s.status, coalesce(sum(c.n), 0)::bigint as n from unnest($1::text[]) as s (status)
     left join lateral (
       select b.n from orgs o cross join lateral (
         select sum(k.n) as n from pin_counts k where k.org_id = o.id and k.status = s.status and k.level = 1) b) c on true
     group by s.status`,
    [pinStatuses],
  )
  const by = new Map(rows.map(({ status, n }) => [status, n]))
  const of = (status: PinStatus): number => by.get(status) ?? 0
  return { queued: of('queued'), pinning: of('pinning'), pinned: of('pinned'), failed: of('failed') }
}

type PlacementCount = ClusterMeasures['placements'][number]

async function placements(tx: SystemTx): Promise<PlacementCount[]> {
  const rows = await tx.query<Omit<PlacementCount, 'nodeId' | 'count'> & { node_id: string; n: number }>(
    'select node_id, state, reason, n from placement_counts order by node_id, state, reason',
  )
  return rows.map(({ node_id, state, reason, n }) => ({
    nodeId: idOf('nod', node_id),
    state,
    reason,
    count: n,
  }))
}

/** Includes the changes that no leader has added up yet. One statement reads both, so a change that is added up meanwhile counts once. */
async function held(tx: SystemTx): Promise<Held[]> {
  const rows = await tx.query<Omit<Held, 'nodeId' | 'count'> & { node_id: string; n: number }>(
    `select node_id, state, reason, sum(n)::bigint as n, sum(bytes)::bigint as bytes
     from (select * from placement_counts union all select * from placement_changes) k
     group by node_id, state, reason having sum(n) <> 0 order by node_id, state, reason`,
  )
  return rows.map(({ node_id, n, ...kind }) => ({ nodeId: idOf('nod', node_id), ...kind, count: n }))
}

async function unsettled(tx: SystemTx): Promise<number> {
  const [row] = await tx.query<{ n: number }>(
    'select count(*) as n from (select from contents where unsettled order by cid limit $1) q',
    [unsettledMax],
  )
  return row?.n ?? 0
}
