import { uuidOf } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Job, PlacementState } from '../core/placement.ts'
import type { SystemTx } from './database.ts'
import { jobOf, type JobRow } from './placements.ts'

const fresh = 'reconcile_confirmed_at > clock_timestamp() - make_interval(secs => $2 / 1000.0)'

export function placementsOf(
  tx: SystemTx,
  node: NodeIdentity,
  cids: string[],
): Promise<{ cid: string; state: PlacementState }[]> {
  return tx.query('select cid, state from placements where node_id = $1 and cid = any ($2)', [
    uuidOf(node.nodeId),
    cids,
  ])
}

export async function walk(
  tx: SystemTx,
  node: NodeIdentity,
  afterCid: string | null,
  limit: number,
): Promise<string[]> {
  const rows = await tx.query<{ cid: string }>(
    `select cid from placements where node_id = $1 and cid > $2 and state = 'pinned' order by cid limit $3`,
    [uuidOf(node.nodeId), afterCid ?? '', limit],
  )
  return rows.map((row) => row.cid)
}

export async function requeueMissing(tx: SystemTx, node: NodeIdentity, cids: string[]): Promise<Job[]> {
  const rows = await tx.query<JobRow>('select * from requeue_missing($1, $2)', [uuidOf(node.nodeId), cids])
  return rows.map(jobOf)
}

/** Whether the database was restored from a backup, and no operator has confirmed this node's reconciler since. */
export async function isRestored(tx: SystemTx, node: NodeIdentity): Promise<boolean> {
  const rows = await tx.query(
    `select from cluster c where c.restore_id is not null
       and not exists (select from nodes n where n.id = $1 and n.confirmed_restore = c.restore_id)`,
    [uuidOf(node.nodeId)],
  )
  return rows.length > 0
}

/** Whether an operator confirmed this node's reconciler less than `withinMs` ago. */
export async function isConfirmed(tx: SystemTx, node: NodeIdentity, withinMs: number): Promise<boolean> {
  const rows = await tx.query(`select from nodes where id = $1 and ${fresh}`, [uuidOf(node.nodeId), withinMs])
  return rows.length > 0
}

/** The same, and uses the confirmation up. */
export async function takeConfirmation(tx: SystemTx, node: NodeIdentity, withinMs: number): Promise<boolean> {
  const rows = await tx.query(
    `update nodes set reconcile_confirmed_at = null where id = $1 and ${fresh} returning id`,
    [uuidOf(node.nodeId), withinMs],
  )
  return rows.length > 0
}

export async function dropUnwanted(tx: SystemTx, node: NodeIdentity, cids: string[]): Promise<Job[]> {
  const rows = await tx.query<JobRow>('select * from drop_unwanted($1, $2)', [uuidOf(node.nodeId), cids])
  return rows.map(jobOf)
}
