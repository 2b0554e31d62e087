import { uuidOf } from '../core/ids.ts'
import type { Job, PlacementState } from '../core/placement.ts'
import type { NodeIdentity } from '../core/ports.ts'
import type { SystemTx } from './database.ts'
import { jobOf, type JobRow } from './placements.ts'

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

export async function dropUnwanted(tx: SystemTx, node: NodeIdentity, cids: string[]): Promise<Job[]> {
  const rows = await tx.query<JobRow>('select * from drop_unwanted($1, $2)', [uuidOf(node.nodeId), cids])
  return rows.map(jobOf)
}
