import type { DrainProgress } from '../core/drain.ts'
import { AnchorageError } from '../core/errors.ts'
import { idOf, idOrNull, uuidOf, type NodeId } from '../core/ids.ts'
import type { NodeReport } from '../core/node-report.ts'
import type { Node } from '../core/node.ts'
import type { OperatorStore, UnwantedPin } from '../core/ports.ts'
import { audit, readAudit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { forget, soleContents } from './forget.ts'
import { endMaintenance, readMaintenance, setMaintenance } from './maintenance.ts'
import { nodeColumns, nodeOf, type NodeRow } from './node-rows.ts'
import { isMoving } from './repairs.ts'

/** What operators do to the cluster. */
export function operatorStore(db: Database): OperatorStore {
  return {
    node: (idOrName) => findNode(db.statement, idOrName),
    drain: (nodeId, actor) => db.system((tx) => drain(tx, nodeId, actor)),
    uncordon: (nodeId, actor) => db.system((tx) => uncordon(tx, nodeId, actor)),
    soleContents: (nodeId, afterCid, limit) => soleContents(db.statement, nodeId, afterCid, limit),
    forget: (nodeId, actor, order) => forget(db, nodeId, actor, order),
    drainProgress: (nodeId) => drainProgress(db.statement, nodeId),
    maintenance: () => readMaintenance(db.statement),
    setMaintenance: (on, actor) => db.system((tx) => setMaintenance(tx, on, actor)),
    endMaintenance: (epoch) => db.system((tx) => endMaintenance(tx, epoch)),
    reports: () => reports(db.statement),
    audit: (query) => readAudit(db.statement, query),
    pruneDenylist: () => pruneDenylist(db),
    unwanted: (nodeId, afterCid, limit) => unwanted(db.statement, nodeId, afterCid, limit),
    confirmReconcile: (nodeId, actor) => db.system((tx) => confirmReconcile(tx, nodeId, actor)),
  }
}

/** By TypeID or name; `not_found` when there is none. */
async function findNode(tx: SystemTx, idOrName: string): Promise<Node> {
  const id = idOrNull('nod', idOrName)
  const [row] = await tx.query<NodeRow>(
    `select ${nodeColumns} from nodes where id = $1 or name = $2 order by id = $1 desc limit 1`,
    [id && uuidOf(id), idOrName],
  )
  if (!row) throw new AnchorageError('not_found', `there is no node ${idOrName}`)
  return nodeOf(row)
}

/** After its commit no new placement appears on the node: it waits for accepts that chose the node before. */
async function drain(tx: SystemTx, nodeId: NodeId, actor: string): Promise<void> {
  await tx.query('select close_nodes()')
  const changed = await tx.query(
    `update nodes set state = 'draining', cordoned_at = clock_timestamp(), walk_after = '' where id = $1 and state = 'active' returning id`,
    [uuidOf(nodeId)],
  )
  if (changed.length > 0) await audit(tx, { actor, action: 'node.drain', target: nodeId })
  else await mustBeThere(tx, nodeId)
}

/** A walk under way continues, since it may look for lost copies. It leaves alone the pinned copies that a drain would have moved. */
async function uncordon(tx: SystemTx, nodeId: NodeId, actor: string): Promise<void> {
  const changed = await tx.query(
    `update nodes set state = 'active', cordoned_at = null, forgetting = null where id = $1 and state <> 'active' returning id`,
    [uuidOf(nodeId)],
  )
  if (changed.length > 0) await audit(tx, { actor, action: 'node.uncordon', target: nodeId })
  else await mustBeThere(tx, nodeId)
}

async function mustBeThere(tx: SystemTx, nodeId: NodeId): Promise<void> {
  const rows = await tx.query('select from nodes where id = $1', [uuidOf(nodeId)])
  if (rows.length === 0) throw new AnchorageError('not_found', `there is no node ${nodeId}`)
}

/** Copies under way of this node's content are counted up to this number; no more are under way at a time. */
const movingMax = 10_000

/** From the counts of placements, as far as those know: on a node that is down they do not tell which copies are to be unpinned. */
async function drainProgress(tx: SystemTx, nodeId: NodeId): Promise<DrainProgress> {
  const [row] = await tx.query<{ left: number; removing: number; bytes: number; moving: number }>(
    `select coalesce(sum(k.n), 0)::bigint as left, coalesce(sum(k.n) filter (where k.state = 'unpinning'), 0)::bigint as removing,
       coalesce(sum(k.bytes), 0)::bigint as bytes,
       (select count(distinct q.cid) from (select cid from placements where ${isMoving} and node_id <> $1 limit ${movingMax}) q
        where exists (select from placements p where p.cid = q.cid and p.node_id = $1 and p.state <> 'unpinning')) as moving
     from (select * from placement_counts where node_id = $1 union all select * from placement_changes where node_id = $1) k`,
    [uuidOf(nodeId)],
  )
  const { left = 0, removing = 0, bytes = 0, moving = 0 } = row ?? {}
  return { left, moving, waiting: left - removing - moving, removing, bytesLeft: bytes }
}

async function reports(
  tx: SystemTx,
): Promise<{ node: Node; report: NodeReport | null; reportedAt: Date | null }[]> {
  const rows = await tx.query<NodeRow & { report: NodeReport | null; reported_at: Date | null }>(
    `select ${nodeColumns}, report, reported_at from nodes order by name`,
  )
  return rows.map((row) => ({ node: nodeOf(row), report: row.report, reportedAt: row.reported_at }))
}

const pruneBatch = 10_000

async function pruneDenylist(db: Database): Promise<number> {
  for (let pruned = 0; ;) {
    const rows = await db.statement.query(
      `delete from token_denylist where jti = any (array(
         select jti from token_denylist where until < clock_timestamp() order by until limit ${pruneBatch})) returning jti`,
    )
    pruned += rows.length
    if (rows.length < pruneBatch) return pruned
  }
}

async function unwanted(
  tx: SystemTx,
  nodeId: NodeId,
  afterCid: string,
  limit: number,
): Promise<UnwantedPin[]> {
  const rows = await tx.query<{ cid: string; seen_at: Date; holders: string[] }>(
    `select u.cid, u.seen_at, array(select h.node_id from unwanted_pins h where h.cid = u.cid order by h.node_id <> $1, h.node_id) as holders
     from unwanted_pins u where u.node_id = $1 and u.cid > $2 order by u.cid limit $3`,
    [uuidOf(nodeId), afterCid, limit],
  )
  return rows.map(({ cid, seen_at, holders }) => ({
    cid,
    seenAt: seen_at,
    holders: holders.map((id) => idOf('nod', id)),
  }))
}

async function confirmReconcile(tx: SystemTx, nodeId: NodeId, actor: string): Promise<void> {
  await mustBeThere(tx, nodeId)
  await tx.query(
    `update nodes set reconcile_confirmed_at = clock_timestamp(), confirmed_restore = (select restore_id from cluster) where id = $1`,
    [uuidOf(nodeId)],
  )
  await audit(tx, { actor, action: 'node.confirm-reconcile', target: nodeId })
}
