import type { DrainProgress } from '../core/drain.ts'
import { AnchorageError } from '../core/errors.ts'
import { idOf, idOrNull, uuidOf, type NodeId } from '../core/ids.ts'
import type { NodeReport } from '../core/node-report.ts'
import type { Node } from '../core/node.ts'
import type { OperatorStore, UnwantedPin } from '../core/ports.ts'
import { audit, readAudit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { endMaintenance, readMaintenance, setMaintenance } from './maintenance.ts'
import { freshMs, nodeColumns, nodeOf, type NodeRow } from './node-rows.ts'
import { isMoving } from './repairs.ts'

/** What operators do to the cluster. */
export function operatorStore(db: Database): OperatorStore {
  return {
    node: (idOrName) => findNode(db.statement, idOrName),
    drain: (nodeId, actor) => db.system((tx) => drain(tx, nodeId, actor)),
    uncordon: (nodeId, actor) => db.system((tx) => uncordon(tx, nodeId, actor)),
    forget: (nodeId, actor) => forget(db, nodeId, actor),
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
    `update nodes set state = 'active', cordoned_at = null where id = $1 and state <> 'active' returning id`,
    [uuidOf(nodeId)],
  )
  if (changed.length > 0) await audit(tx, { actor, action: 'node.uncordon', target: nodeId })
  else await mustBeThere(tx, nodeId)
}

async function mustBeThere(tx: SystemTx, nodeId: NodeId): Promise<void> {
  const rows = await tx.query('select from nodes where id = $1', [uuidOf(nodeId)])
  if (rows.length === 0) throw new AnchorageError('not_found', `there is no node ${nodeId}`)
}

const lookBatch = 5_000
const forgetBatch = 500

/**
 * Looks at everything first, so that a refusal changes nothing. Then it closes the node and removes its placements in batches, each of
 * which checks again. A call that breaks off in between can simply be repeated.
 */
async function forget(db: Database, nodeId: NodeId, actor: string): Promise<void> {
  const id = uuidOf(nodeId)
  const node = await findNode(db.statement, nodeId)
  if (node.live) throw new AnchorageError('conflict', `the node ${node.name} is alive: stop it first`)
  let sole = 0
  for (let after: string | null = ''; after !== null;) {
    const [step]: { last: string | null; sole: number }[] = await db.statement.query(
      'select last, sole from sole_copies($1, $2, $3)',
      [id, after, lookBatch],
    )
    sole += step?.sole ?? 0
    after = step?.last ?? null
  }
  if (sole > 0)
    throw new AnchorageError(
      'conflict',
      `the node ${node.name} has ${sole} pinned contents that no other node has; drain it, or start it again`,
    )
  await db.system(async (tx) => {
    await tx.query('select close_nodes()')
    await tx.query(`update nodes set state = 'drained', walk_after = null where id = $1`, [id])
  })
  for (let left = 1; left > 0;) {
    const [row] = await db.statement.query<{ n: number }>('select forget_placements($1, $2, $3) as n', [
      id,
      freshMs,
      forgetBatch,
    ])
    left = row?.n ?? 0
  }
  await db.system(async (tx) => {
    const gone = await tx.query(
      `delete from nodes n where id = $1 and last_seen < clock_timestamp() - make_interval(secs => $2 / 1000.0)
         and not exists (select from placements p where p.node_id = n.id) returning id`,
      [id, freshMs],
    )
    if (gone.length === 0)
      throw new AnchorageError(
        'conflict',
        `the node ${node.name} has come back in the meantime: stop it first`,
      )
    await audit(tx, { actor, action: 'node.forget', target: nodeId, details: { name: node.name } })
  })
}

async function drainProgress(tx: SystemTx, nodeId: NodeId): Promise<DrainProgress> {
  const [row] = await tx.query<{ left: number; removing: number; bytes: number; moving: number }>(
    `select count(*) as left, count(*) filter (where state = 'unpinning') as removing,
       coalesce(sum(bytes) filter (where state = 'pinned'), 0)::bigint as bytes,
       (select count(distinct q.cid) from (select cid from placements where ${isMoving} and node_id <> $1) q
        where exists (select from placements p where p.cid = q.cid and p.node_id = $1 and p.state <> 'unpinning')) as moving
     from placements where node_id = $1`,
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
