import { uuidOf } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { SystemTx } from './database.ts'

/** Whether content is queued on the node of which some blocks have arrived, and which does not just wait for room on the node. */
export async function hasHalfFetched(tx: SystemTx, node: NodeIdentity): Promise<boolean> {
  const rows = await tx.query(
    `select from placements where node_id = $1 and state = 'queued' and blocks > 0
       and error_code is distinct from 'node_full' limit 1`,
    [uuidOf(node.nodeId)],
  )
  return rows.length > 0
}

/** Takes or keeps the cluster's one turn to collect garbage; false while another node has it. */
export async function takeTurn(tx: SystemTx, node: NodeIdentity, forMs: number): Promise<boolean> {
  const rows = await tx.query(
    `update garbage_turn set node_id = $1, until = clock_timestamp() + make_interval(secs => $2 / 1000.0)
     where node_id is null or node_id = $1 or until < clock_timestamp() returning node_id`,
    [uuidOf(node.nodeId), forMs],
  )
  return rows.length > 0
}

/** Gives the turn back. */
export async function endTurn(tx: SystemTx, node: NodeIdentity): Promise<void> {
  await tx.query('update garbage_turn set node_id = null, until = null where node_id = $1', [
    uuidOf(node.nodeId),
  ])
}
