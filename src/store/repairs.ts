import type { Epoch } from '../core/epoch.ts'
import { idOf, mintId, uuidOf, type NodeId } from '../core/ids.ts'
import type { Away } from '../core/node.ts'
import type { Job } from '../core/placement.ts'
import type { RepairStore } from '../core/ports.ts'
import type { ContentCopies, Copy, Repair } from '../core/repair.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { freshMs } from './node-rows.ts'
import { jobOf, type JobRow } from './placements.ts'

/** Contents and nodes as the leader repairs them. */
export function repairStore(db: Database): RepairStore {
  const tx = db.statement
  const glances: Glances = new Map()
  return {
    unsettled: (afterCid, limit) => contents(tx, 'unsettled_contents($1, $2)', [afterCid, limit]),
    onNode: (nodeId, afterCid, limit) =>
      contents(tx, 'contents_on($1, $2, $3)', [uuidOf(nodeId), afterCid, limit]),
    waitingOn: (nodeId, after, limit) => waitingOn(tx, nodeId, after, limit),
    walks: () => walks(tx),
    advanceWalk: (epoch, nodeId, afterCid) => setWalk(db, epoch, nodeId, afterCid),
    apply: (epoch, repairs) => apply(tx, epoch, repairs),
    moving: () => moving(tx),
    noteDown: (epoch, nodeId, down) => db.system((own) => noteDown(own, epoch, nodeId, down)),
    noteAway: (epoch, nodeId, away) => db.system((own) => noteAway(own, epoch, nodeId, away)),
    noteHeard: (epoch, nodeId) => db.system((own) => noteHeard(own, epoch, nodeId)),
    downNodes: () => downNodes(tx),
    noteDrained: (epoch) => db.system((own) => noteDrained(own, epoch, glances)),
  }
}

interface ContentRow {
  cid: string
  wanted: number
  dag_size: number | null
  copies: (Omit<Copy, 'nodeId'> & { nodeId: string })[]
}

async function contents(tx: SystemTx, from: string, params: unknown[]): Promise<ContentCopies[]> {
  const rows = await tx.query<ContentRow>(
    `select cid, wanted, dag_size, copies from ${from} order by cid`,
    params,
  )
  return rows.map(contentOf)
}

function contentOf(row: ContentRow): ContentCopies {
  return {
    cid: row.cid,
    wanted: row.wanted,
    dagSize: row.dag_size,
    copies: row.copies.map((copy) => ({ ...copy, nodeId: idOf('nod', copy.nodeId) })),
  }
}

/** The key of a waiting placement in the index `placements_due`, with its CID. Orgs come in order, first attempts before retries. */
type Place = [retrying: boolean, org: string, due: string, cid: string]

const firstPlace: Place = [false, '00000000-0000-0000-0000-000000000000', '-infinity', '']

async function waitingOn(
  tx: SystemTx,
  nodeId: NodeId,
  after: string,
  limit: number,
): ReturnType<RepairStore['waitingOn']> {
  const [retrying, org, due, cid] = after === '' ? firstPlace : (JSON.parse(after) as Place)
  const rows = await tx.query<ContentRow & { place: Place }>(
    `with waiting as (
       select * from (
         (${waitingIn('$2', '(org_id, next_attempt_at) >= ($3, $4) and (org_id, next_attempt_at, cid) > ($3, $4, $5)')})
         union all
         (${waitingIn('true', 'not $2')})) w
       order by retrying, org_id, next_attempt_at, cid limit $6)
     select c.*, jsonb_build_array(w.retrying, w.org_id, w.next_attempt_at::text, w.cid) as place
     from waiting w left join content_copies(array(select cid from waiting)) c on c.cid = w.cid
     order by w.retrying, w.org_id, w.next_attempt_at, w.cid`,
    [uuidOf(nodeId), retrying, org, due, cid, limit],
  )
  const last = rows.length < limit ? null : JSON.stringify(rows.at(-1)?.place)
  return { contents: rows.filter((row) => row.cid !== null).map(contentOf), after: last }
}

function waitingIn(retrying: string, condition: string): string {
  return `select cid, retrying, org_id, next_attempt_at from placements
    where node_id = $1 and state = 'queued' and retrying = ${retrying} and next_attempt_at < 'infinity' and ${condition}
    order by org_id, next_attempt_at, cid limit $6`
}

/**
 * Waits for the accepts under way, so that the walk passes the placements that they make. A node writes itself that its Kubo is gone; the
 * leader knows that later than the node, and may be wrong by now.
 */
async function noteAway(
  tx: SystemTx,
  epoch: Epoch,
  nodeId: NodeId,
  { what, forMs, reason }: Away,
): Promise<void> {
  await tx.query('select assert_leading($1)', [epoch])
  await tx.query('select close_nodes()')
  await tx.query(`update nodes set walk_after = coalesce(walk_after, '') where id = $1 and down_at is null`, [
    uuidOf(nodeId),
  ])
  if (what === 'kubo') return
  await tx.query(
    `update nodes set unable_since = coalesce(unable_since, clock_timestamp() - make_interval(secs => $2 / 1000.0)),
       unable_what = $3, unable_reason = $4 where id = $1`,
    [uuidOf(nodeId), Math.round(forMs), what, reason],
  )
}

async function walks(tx: SystemTx): Promise<{ nodeId: NodeId; afterCid: string }[]> {
  const rows = await tx.query<{ id: string; walk_after: string }>(
    'select id, walk_after from nodes where walk_after is not null order by id',
  )
  return rows.map((row) => ({ nodeId: idOf('nod', row.id), afterCid: row.walk_after }))
}

async function noteHeard(tx: SystemTx, epoch: Epoch, nodeId: NodeId): Promise<void> {
  await tx.query('select assert_leading($1)', [epoch])
  await tx.query(
    `update nodes set unable_since = null, unable_what = null, unable_reason = null where id = $1 and unable_what <> 'kubo'`,
    [uuidOf(nodeId)],
  )
}

async function setWalk(db: Database, epoch: Epoch, nodeId: NodeId, afterCid: string | null): Promise<void> {
  await db.system(async (tx) => {
    await tx.query('select assert_leading($1)', [epoch])
    await tx.query('update nodes set walk_after = $2 where id = $1', [uuidOf(nodeId), afterCid])
  })
}

async function apply(
  tx: SystemTx,
  epoch: Epoch,
  repairs: Repair[],
): Promise<{ jobs: Job[]; added: number; dropped: number; stale: number }> {
  const [row] = await tx.query<{
    done: { jobs: JobRow[]; added: number; dropped: number; stale: number }
  }>('select apply_repairs($1, $2) as done', [epoch, JSON.stringify(repairs.map(toItem))])
  if (!row) throw new Error('repairs were applied, but Postgres returned nothing')
  return { ...row.done, jobs: row.done.jobs.map(jobOf) }
}

function toItem(repair: Repair): object {
  const change = ({ nodeId, reason }: { nodeId: NodeId; reason: string }) => ({
    node: uuidOf(nodeId),
    reason,
    auditId: uuidOf(mintId('aud')),
    details: { node: nodeId, reason },
  })
  return {
    cid: repair.cid,
    seen: Object.fromEntries(
      repair.seen.map(({ nodeId, generation, state }) => [uuidOf(nodeId), `${generation} ${state}`]),
    ),
    add: repair.add.map(change),
    drop: repair.drop.map(change),
    lose: repair.lose.map(uuidOf),
    find: repair.find.map(uuidOf),
    settled: repair.settled,
  }
}

/** Condition on `placements`: a copy under way that was not made for a new pin. It must be that of the index `placements_moving`. */
export const isMoving = `reason <> 'new' and not lost and (state = 'pinning' or state = 'queued' and not retrying)`

/** Copies under way are counted up to this number; no caller needs to know of more. */
const enough = 10_000

/** Copies that were given to a node that is silent do not move, so they hold up no others. */
async function moving(tx: SystemTx): Promise<{ copies: number; bytes: number }> {
  const [row] = await tx.query<{ copies: number; bytes: number }>(
    `select count(*) as copies, coalesce(sum(c.dag_size), 0)::bigint as bytes from (
       select p.cid from nodes n cross join lateral (
         select cid from placements where node_id = n.id and ${isMoving} limit ${enough}) p
       where n.last_seen > clock_timestamp() - make_interval(secs => $1 / 1000.0) limit ${enough}) p
     cross join lateral (select x.dag_size from contents x where x.cid = p.cid offset 0) c`,
    [freshMs],
  )
  return row ?? { copies: 0, bytes: 0 }
}

async function noteDown(tx: SystemTx, epoch: Epoch, nodeId: NodeId, down: boolean): Promise<void> {
  await tx.query('select assert_leading($1)', [epoch])
  await tx.query('select close_nodes()')
  const changed = await tx.query(
    `update nodes set down_at = case when $2 then least(last_seen, unable_since) end, walk_after = ''
     where id = $1 and (down_at is not null) <> $2 returning id`,
    [uuidOf(nodeId), down],
  )
  if (changed.length > 0)
    await audit(tx, { actor: 'repair', action: down ? 'node.down' : 'node.back', target: nodeId })
}

async function downNodes(tx: SystemTx): Promise<NodeId[]> {
  const rows = await tx.query<{ id: string }>('select id from nodes where down_at is not null order by id')
  return rows.map((row) => idOf('nod', row.id))
}

/** How many of a draining node's placements are looked at in one call, to tell whether its walk missed one. */
const glance = 1_000

/** The CID after which the next look at a draining node goes on. A node of millions of placements that wait to be unpinned costs no more. */
type Glances = Map<string, string>

/**
 * Marks draining nodes without placements as drained. A draining node is walked again if it has content that no walk will reach and that is
 * not marked: a repair left it alone then, but may have to act on it now.
 */
async function noteDrained(tx: SystemTx, epoch: Epoch, glances: Glances): Promise<NodeId[]> {
  await tx.query('select assert_leading($1)', [epoch])
  const rows = await tx.query<{ id: string }>(
    `select id from nodes n where state = 'draining' and not exists (select from placements p where p.node_id = n.id) for update`,
  )
  const drained = rows.map((row) => idOf('nod', row.id))
  for (const nodeId of drained) {
    await tx.query(`update nodes set state = 'drained', walk_after = null where id = $1`, [uuidOf(nodeId)])
    await audit(tx, { actor: 'repair', action: 'node.drained', target: nodeId })
  }
  const walked = await tx.query<{ id: string }>(
    `select id from nodes where state = 'draining' and walk_after is null`,
  )
  for (const { id } of walked)
    if (await hasMissed(tx, id, glances))
      await tx.query(`update nodes set walk_after = '' where id = $1`, [id])
  return drained
}

async function hasMissed(tx: SystemTx, node: string, glances: Glances): Promise<boolean> {
  const [row] = await tx.query<{ last: string | null; missed: boolean | null }>(
    `select case when count(*) = ${glance} then max(p.cid) end as last,
       bool_or(p.state <> 'unpinning' and not c.unsettled and c.unpin_after is null) as missed
     from (select p.cid, p.state from placements p where p.node_id = $1 and p.cid > $2 order by p.cid limit ${glance}) p
     cross join lateral (select x.unsettled, x.unpin_after from contents x where x.cid = p.cid offset 0) c`,
    [node, glances.get(node) ?? ''],
  )
  if (row?.last) glances.set(node, row.last)
  else glances.delete(node)
  return row?.missed === true
}
