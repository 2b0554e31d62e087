import { AnchorageError } from '../core/errors.ts'
import { idOf, uuidOf, type NodeId } from '../core/ids.ts'
import type { SoleContent, SoleContents } from '../core/loss.ts'
import type { ForgetOrder } from '../core/ports.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { freshMs } from './node-rows.ts'

/** Placements that one transaction removes. */
const batch = 500

/** One step of the walk that finds the contents which only this node has. */
export async function soleContents(
  tx: SystemTx,
  nodeId: NodeId,
  afterCid: string,
  limit: number,
): Promise<SoleContents> {
  const [row] = await tx.query<{
    step: { seen: number; last: string | null; contents: SoleContent[]; orgs: string[] }
  }>('select sole_contents($1, $2, $3) as step', [uuidOf(nodeId), afterCid, limit])
  if (!row) throw new AnchorageError('internal', 'a step of a walk returned nothing')
  return { ...row.step, orgs: row.step.orgs.map((org) => idOf('org', org)) }
}

/**
 * Closes the node, removes its placements in batches, then deletes its row. Each step checks that the node has not come back. What was
 * counted is kept in the node's row from the first step on: a call that breaks off can be repeated, and the audit gets the counts of the
 * first one.
 */
export async function forget(
  db: Database,
  nodeId: NodeId,
  actor: string,
  { acceptLoss, counted, onRemoved }: ForgetOrder,
): Promise<void> {
  const id = uuidOf(nodeId)
  await db.system(async (tx) => {
    await tx.query('select close_nodes()')
    await tx.query(
      `update nodes set state = 'drained', walk_after = null, forgetting = $2::jsonb || coalesce(forgetting, '{}')
       where id = $1 and last_seen < clock_timestamp() - make_interval(secs => $3 / 1000.0)`,
      [id, JSON.stringify(counted), freshMs],
    )
  })
  let removed = 0
  for (let after: string | null = ''; after !== null;) {
    const [row]: { last: string | null }[] = await db.statement.query(
      'select empty_node($1, $2, $3, $4, $5) as last',
      [id, freshMs, acceptLoss, after, batch],
    )
    after = row?.last ?? null
    removed = Math.min(removed + batch, counted.placements)
    if (after !== null) onRemoved(removed, counted.placements)
  }
  await db.system((tx) => deleteNode(tx, nodeId, actor))
}

async function deleteNode(tx: SystemTx, nodeId: NodeId, actor: string): Promise<void> {
  const [gone] = await tx.query<{ name: string; forgetting: object | null }>(
    `delete from nodes n where id = $1 and state = 'drained' and last_seen < clock_timestamp() - make_interval(secs => $2 / 1000.0)
       and not exists (select from placements p where p.node_id = n.id) returning name, forgetting`,
    [uuidOf(nodeId), freshMs],
  )
  if (gone === undefined)
    throw new AnchorageError('conflict', 'the node has come back in the meantime: stop it first')
  const { name, forgetting } = gone
  await audit(tx, { actor, action: 'node.forget', target: nodeId, details: { name, ...forgetting } })
}
