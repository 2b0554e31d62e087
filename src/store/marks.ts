import { randomUUID } from 'node:crypto'
import { AnchorageError } from '../core/errors.ts'
import { uuidOf } from '../core/ids.ts'
import { isMarked, type Marks, type PinnedUnder, type Remembered, type Shown } from '../core/marks.ts'
import type { NodeIdentity } from '../core/node.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'

/**
 * Numbers that were given out after the moment of a backup must not be given out again: a restored database begins this far beyond the
 * greatest number that is known.
 */
export const leap = 1_000_000

/** How far the database has come, for a node that compares it with what it remembers. */
export interface MarksStore {
  /** Reads the marks, and finds those of the placements that the node pinned that are missing or older. */
  read(node: NodeIdentity, pinned: PinnedUnder[]): Promise<Shown>
  /**
   * Marks the database as restored, unless that was done since `remembered`, and moves its generations and epochs beyond those that the
   * node has seen. From then on no node has compared its Kubo with it. Makes the node's row again when the database is older than it.
   * Repeating it changes nothing.
   */
  markRestored(node: NodeIdentity & { name: string }, remembered: Remembered, why: string): Promise<void>
  /** Notes that this node follows the restored database again, because its Kubo agrees with it. */
  follow(node: NodeIdentity, restoreId: string): Promise<void>
  /** Notes that this node, for which somebody decided after the restore `restoreId`, has compared its Kubo with its placements since. */
  compared(node: NodeIdentity, restoreId: string): Promise<void>
}

export function marksStore(db: Database): MarksStore {
  return {
    read: (node, pinned) => read(db.statement, node, pinned),
    markRestored: (node, remembered, why) => db.system((tx) => markRestored(tx, node, remembered, why)),
    async follow({ nodeId }, restoreId) {
      await db.statement.query(
        'update nodes set confirmed_restore = $2, uncompared = false where id = $1 and (select restore_id from cluster) = $2',
        [uuidOf(nodeId), restoreId],
      )
    },
    async compared({ nodeId }, restoreId) {
      await db.statement.query(
        'update nodes set uncompared = false where id = $1 and confirmed_restore = $2 and (select restore_id from cluster) = $2',
        [uuidOf(nodeId), restoreId],
      )
    },
  }
}

async function read(tx: SystemTx, { nodeId }: NodeIdentity, pinned: PinnedUnder[]): Promise<Shown> {
  // A drained node has no placements, and an operator may be deleting those that it had.
  const [row] = await tx.query<Shown>(
    `select c.restore_id as "restoreId", c.epoch, s.last_value as generation,
       c.restore_id is null or coalesce(n.confirmed_restore = c.restore_id, false) as confirmed,
       coalesce(n.uncompared, false) as uncompared,
       array(select o.name from nodes o where o.uncompared and o.state <> 'drained' and o.id <> $1 order by o.name) as "othersUncompared",
       (select coalesce(jsonb_agg(w), '[]') from jsonb_to_recordset($2) as w (cid text, generation bigint)
        where n.state <> 'drained' and not exists (select from placements p
          where p.cid = w.cid and p.node_id = n.id and p.generation >= w.generation)) as lost
     from cluster c cross join placement_generation s left join nodes n on n.id = $1`,
    [uuidOf(nodeId), JSON.stringify(pinned)],
  )
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  return row
}

async function markRestored(
  tx: SystemTx,
  { nodeId, name, incarnation }: NodeIdentity & { name: string },
  remembered: Remembered,
  why: string,
): Promise<void> {
  await tx.query('select from cluster for update')
  const [row] = await tx.query<Marks>(
    'select restore_id as "restoreId", epoch, last_value as generation from cluster, placement_generation',
  )
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  const marked = isMarked(remembered, row)
  if (!marked || row.generation < remembered.generation || row.epoch < remembered.epoch)
    await leapBeyond(tx, remembered)
  if (!marked) {
    await tx.query('update nodes set uncompared = true')
    const restoreId = randomUUID()
    await tx.query('update cluster set restore_id = $1, restored_at = clock_timestamp()', [restoreId])
    const details = { restoreId, why, generation: row.generation, seen: remembered.generation }
    await audit(tx, { actor: nodeId, action: 'restore.notice', target: 'cluster', details })
  }
  await tx.query('insert into nodes (id, name, incarnation) values ($1, $2, $3) on conflict do nothing', [
    uuidOf(nodeId),
    name,
    incarnation,
  ])
}

/** Moves the generations and the epoch far beyond these and beyond their own, and notes up to where they are from before the restore. */
export async function leapBeyond(
  tx: SystemTx,
  { generation, epoch }: Omit<Marks, 'restoreId'>,
): Promise<void> {
  await tx.query('update cluster set epoch = greatest(epoch, $1::bigint) + $2::bigint', [epoch, leap])
  await tx.query(
    `update cluster set restored_generation =
       setval('placement_generation', greatest($1::bigint, nextval('placement_generation')) + $2::bigint)`,
    [generation, leap],
  )
}
