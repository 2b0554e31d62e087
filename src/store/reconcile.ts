import { uuidOf } from '../core/ids.ts'
import type { ReconcileStore } from '../core/ports.ts'
import type { Database, SystemTx } from './database.ts'
import { jobOf, type JobRow } from './placements.ts'

const isConfirmed =
  'id = $1 and reconcile_confirmed_at > clock_timestamp() - make_interval(secs => $2 / 1000.0)'

export function reconcileStore(db: Database): ReconcileStore {
  const tx = db.statement
  return {
    placementsOf: ({ nodeId }, cids) =>
      tx.query(
        `select cid, state, generation <= (select restored_generation from cluster) as "fromBefore"
         from placements where node_id = $1 and cid = any ($2)`,
        [uuidOf(nodeId), cids],
      ),
    async walk({ nodeId }, afterCid, limit) {
      const rows = await tx.query<{ cid: string }>(
        `select cid from placements where node_id = $1 and cid > $2 and state = 'pinned' order by cid limit $3`,
        [uuidOf(nodeId), afterCid ?? '', limit],
      )
      return rows.map((row) => row.cid)
    },
    async requeueMissing({ nodeId }, cids) {
      const rows = await tx.query<JobRow>('select * from requeue_missing($1, $2)', [uuidOf(nodeId), cids])
      return rows.map(jobOf)
    },
    async dropUnwanted({ nodeId }, cids) {
      const rows = await tx.query<JobRow>('select * from drop_unwanted($1, $2)', [uuidOf(nodeId), cids])
      return rows.map(jobOf)
    },
    noteUnwanted: ({ nodeId }, cids) => db.system((own) => noteUnwanted(own, uuidOf(nodeId), cids)),
    async isConfirmed({ nodeId }, withinMs) {
      const rows = await tx.query(`select from nodes where ${isConfirmed}`, [uuidOf(nodeId), withinMs])
      return rows.length > 0
    },
    async takeConfirmation({ nodeId }, withinMs) {
      const rows = await tx.query(
        `update nodes set reconcile_confirmed_at = null where ${isConfirmed} returning id`,
        [uuidOf(nodeId), withinMs],
      )
      return rows.length > 0
    },
  }
}

/** CIDs in one statement. */
const chunk = 1_000

async function noteUnwanted(tx: SystemTx, node: string, cids: readonly string[]): Promise<void> {
  await tx.query('delete from unwanted_pins where node_id = $1', [node])
  for (let at = 0; at < cids.length; at += chunk)
    await tx.query(
      'insert into unwanted_pins (node_id, cid, seen_at) select $1, u, now() from unnest($2::text[]) u on conflict do nothing',
      [node, cids.slice(at, at + chunk)],
    )
}
