import type { Epoch } from '../core/epoch.ts'
import { AnchorageError } from '../core/errors.ts'
import { idOf, mintId, uuidOf, type NodeId, type PlanId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'
import type { PlanStore } from '../core/plan-ports.ts'
import type { NewPlan, Plan, PlanUnderWay, Move, MoveState, PlanState } from '../core/plan.ts'
import type { PruneStore } from '../core/ports.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { jobOf, type JobRow } from './placements.ts'

/** Plans of moves. */
export function planStore(db: Database): PlanStore & PruneStore {
  const tx = db.statement
  return {
    movable: (nodeId, afterCid, limit) => movable(tx, nodeId, afterCid, limit),
    usage: () => db.system(usage),
    savePlan: (plan, pages) => savePlan(db, plan, pages),
    plan: (id) => onePlan(tx, id),
    plans: (limit) => readPlans(tx, 'where whole order by created_at desc, id desc limit $1', [limit]),
    moves: (id, afterNumber, limit) => moves(tx, id, afterNumber, limit),
    setPlanState: (id, state, actor) => db.system((own) => setPlanState(own, id, state, actor)),
    applying: () => applying(tx),
    startMoves: (epoch, id, limit, bytes) => startMoves(tx, epoch, id, limit, bytes),
    settleMoves: (epoch, id) => settleMoves(tx, epoch, id),
    prunePlans: (olderThanMs, limit) => prunePlans(db, olderThanMs, limit),
  }
}

async function movable(
  tx: SystemTx,
  nodeId: NodeId,
  afterCid: string,
  limit: number,
): Promise<{ cid: string; bytes: number; holders: NodeId[] }[]> {
  const rows = await tx.query<{ cid: string; bytes: number; holders: string[] }>(
    `select p.cid, p.bytes, array(select h.node_id from placements h where h.cid = p.cid order by h.node_id) as holders
     from (select cid, bytes from placements
           where node_id = $1 and cid > $2 and state = 'pinned' and not lost and not leaving order by cid limit $3) p
     order by p.cid`,
    [uuidOf(nodeId), afterCid, limit],
  )
  const ids = remembered((uuid: string) => idOf('nod', uuid))
  return rows.map((row) => ({ cid: row.cid, bytes: row.bytes, holders: row.holders.map(ids) }))
}

/** Remembers the results of `spell`: there are few nodes and very many moves, and a lookup costs less than spelling an id. */
function remembered<From, To>(spell: (id: From) => To): (id: From) => To {
  const known = new Map<From, To>()
  return (id) => {
    const old = known.get(id)
    if (old !== undefined) return old
    const made = spell(id)
    known.set(id, made)
    return made
  }
}

/**
 * What is to stay on each node. One pass over all placements (a million take about a second), so this is the one place where a scan beats
 * an index. A copy that is not pinned yet counts with the size of its content, as far as that is known.
 */
async function usage(tx: SystemTx): Promise<{ nodeId: NodeId; placements: number; bytes: number }[]> {
  await tx.query('set local enable_seqscan = on')
  const rows = await tx.query<{ node_id: string; placements: number; bytes: number }>(
    `select node_id, count(*) as placements, sum(case when state = 'pinned' then bytes else
         coalesce((select dag_size from contents c where c.cid = p.cid), 0) end)::bigint as bytes
     from placements p where state <> 'unpinning' and not lost and not leaving group by node_id order by node_id`,
  )
  return rows.map((row) => ({
    nodeId: idOf('nod', row.node_id),
    placements: row.placements,
    bytes: row.bytes,
  }))
}

/**
 * Saves page by page; no reader sees the plan before the last page is saved. A plan whose saving breaks off is removed, at the latest by
 * pruning.
 */
async function savePlan(db: Database, plan: NewPlan, pages: AsyncIterable<Move[]>): Promise<Plan> {
  const id = uuidOf(plan.id)
  await db.statement.query('insert into plans (id, actor, summary) values ($1, $2, $3)', [
    id,
    plan.actor,
    plan.summary,
  ])
  try {
    let count = 0
    let bytes = 0
    const uuids = remembered<NodeId, string>(uuidOf)
    for await (const page of pages) {
      await insertMoves(db.statement, id, count, page, uuids)
      count += page.length
      bytes += page.reduce((sum, move) => sum + move.bytes, 0)
    }
    await db.system(async (tx) => {
      // a plan without moves is `applied` at once
      await tx.query(
        `update plans set whole = true, moves = $2, bytes = $3, state = case when $2 = 0 then 'applied' else state end where id = $1`,
        [id, count, bytes],
      )
      await audit(tx, {
        actor: plan.actor,
        action: 'plan.create',
        target: plan.id,
        details: { moves: count, bytes },
      })
    })
  } catch (error) {
    await removePlan(db, id).catch((also: unknown) => also)
    throw error
  }
  const [saved] = await readPlans(db.statement, 'where id = $1', [id])
  if (!saved) throw new Error('a plan was saved, but cannot be read')
  return saved
}

async function insertMoves(
  tx: SystemTx,
  planId: string,
  count: number,
  page: Move[],
  uuids: (id: NodeId) => string,
): Promise<void> {
  await tx.query(
    `insert into plan_moves (plan_id, number, cid, from_node, to_node, bytes, reason)
     select $1, m.number, m.cid, m."from", m."to", m.bytes, m.reason
     from jsonb_to_recordset($2) as m (number int, cid text, "from" uuid, "to" uuid, bytes bigint, reason text)`,
    [
      planId,
      JSON.stringify(
        page.map((move, index) => ({
          ...move,
          number: count + index + 1,
          from: uuids(move.from),
          to: uuids(move.to),
        })),
      ),
    ],
  )
}

interface PlanRow {
  id: string
  actor: string
  summary: Record<string, unknown>
  state: PlanState
  created_at: Date
  moves: number
  bytes: number
  done: number
  skipped: number
  bytes_done: number
  bytes_skipped: number
}

const planColumns =
  'id, actor, summary, state, created_at, moves, bytes, done, skipped, bytes_done, bytes_skipped'

async function readPlans(tx: SystemTx, which: string, params: unknown[]): Promise<Plan[]> {
  const rows = await tx.query<PlanRow>(`select ${planColumns} from plans ${which}`, params)
  return rows.map(planOf)
}

function planOf({ id, created_at, bytes_done, bytes_skipped, ...row }: PlanRow): Plan {
  const figures = { bytesDone: bytes_done, bytesSkipped: bytes_skipped }
  return { ...row, ...figures, id: idOf('pln', id), createdAt: created_at }
}

/** Only a few moves are under way, however many the plan has. */
async function onePlan(tx: SystemTx, id: PlanId): Promise<PlanUnderWay> {
  const [row] = await tx.query<PlanRow & { moving: number; bytes_arrived: number }>(
    `select ${planColumns},
       (select count(*) from plan_moves m where m.plan_id = plans.id and m.state = 'moving') as moving,
       coalesce((
         select sum(case when q.state = 'pinned' then m.bytes else least(q.bytes, m.bytes) end)
         from plan_moves m cross join lateral (
           select p.state, p.bytes from placements p where p.cid = m.cid and p.node_id = m.to_node offset 0) q
         where m.plan_id = plans.id and m.state = 'moving'), 0)::bigint as bytes_arrived
     from plans where id = $1 and whole`,
    [uuidOf(id)],
  )
  if (!row) throw new AnchorageError('not_found', `there is no plan ${id}`)
  const { moving, bytes_arrived: bytesArrived, ...plan } = row
  return { ...planOf(plan), moving, bytesArrived }
}

/** The oldest plan that is being applied. If there is none: a stopped plan with moves under way, so that their ends are noted. */
async function applying(tx: SystemTx): Promise<Plan | null> {
  const [plan] = await readPlans(tx, `where whole and state = 'applying' order by created_at, id limit 1`, [])
  if (plan) return plan
  const [stopped] = await readPlans(
    tx,
    `where id = (select plan_id from plan_moves where state = 'moving' order by plan_id limit 1)`,
    [],
  )
  return stopped ?? null
}

interface MoveRow {
  number: number
  cid: string
  from_node: string
  to_node: string
  bytes: number
  reason: string
  state: MoveState
  note: string | null
}

async function moves(
  tx: SystemTx,
  id: PlanId,
  afterNumber: number,
  limit: number,
): Promise<(Move & { number: number; state: MoveState; note: string | null })[]> {
  const rows = await tx.query<MoveRow>(
    `select number, cid, from_node, to_node, bytes, reason, state, note from plan_moves
     where plan_id = $1 and number > $2 order by number limit $3`,
    [uuidOf(id), afterNumber, limit],
  )
  return rows.map(({ from_node, to_node, ...row }) => ({
    ...row,
    from: idOf('nod', from_node),
    to: idOf('nod', to_node),
  }))
}

/** The states from which each state can be reached. The same state again is no change, and no error. */
const before: Record<'applying' | 'paused' | 'cancelled', PlanState[]> = {
  applying: ['planned', 'paused', 'applying'],
  paused: ['applying', 'paused'],
  cancelled: ['planned', 'applying', 'paused', 'cancelled'],
}

async function setPlanState(
  tx: SystemTx,
  id: PlanId,
  state: 'applying' | 'paused' | 'cancelled',
  actor: string,
): Promise<Plan> {
  const [was] = await readPlans(tx, 'where id = $1 and whole for update', [uuidOf(id)])
  if (!was) throw new AnchorageError('not_found', `there is no plan ${id}`)
  if (!before[state].includes(was.state))
    throw new AnchorageError('conflict', `the plan ${id} is ${was.state}; it cannot become ${state}`)
  if (was.state === state) return was
  await tx.query('update plans set state = $2 where id = $1', [uuidOf(id), state])
  await audit(tx, { actor, action: `plan.${state}`, target: id })
  return { ...was, state }
}

/** A move of any size may begin while some of `bytes` are left, or a large one never would. */
async function startMoves(
  tx: SystemTx,
  epoch: Epoch,
  id: PlanId,
  limit: number,
  bytes: number,
): Promise<{ jobs: Job[]; started: number; skipped: number }> {
  const planned = await tx.query<MoveRow>(
    `select m.* from (
       select number, from_node, to_node, sum(bytes) over (order by number) - bytes as before
       from (select * from plan_moves where plan_id = $1 and state = 'planned' order by number limit $2) q) m
     where m.before < $3 order by number`,
    [uuidOf(id), limit, bytes],
  )
  const items = planned.map((row) => ({
    number: row.number,
    auditId: uuidOf(mintId('aud')),
    details: { node: idOf('nod', row.to_node), from: idOf('nod', row.from_node), reason: 'rebalance' },
  }))
  const [row] = await tx.query<{ begun: { jobs: JobRow[]; started: number; skipped: number } }>(
    'select start_moves($1, $2, $3) as begun',
    [epoch, uuidOf(id), JSON.stringify(items)],
  )
  if (!row) throw new Error('moves were started, but Postgres returned nothing')
  return { ...row.begun, jobs: row.begun.jobs.map(jobOf) }
}

const settleBatch = 10_000

async function settleMoves(tx: SystemTx, epoch: Epoch, id: PlanId): Promise<{ done: number; left: number }> {
  const [row] = await tx.query<{ done: number; remaining: number }>(
    'select done, remaining from settle_moves($1, $2, $3, $4, $5)',
    [epoch, uuidOf(id), settleBatch, uuidOf(mintId('aud')), id],
  )
  return { done: row?.done ?? 0, left: row?.remaining ?? 0 }
}

/** Also prunes plans that are a day old and were never saved to the end. */
async function prunePlans(db: Database, olderThanMs: number, limit: number): Promise<number> {
  const rows = await db.statement.query<{ id: string }>(
    `update plans set whole = false where id = any (array(
       select id from plans
       where (created_at < clock_timestamp() - make_interval(secs => $1 / 1000.0) and state in ('applied', 'cancelled'))
         or (created_at < clock_timestamp() - interval '1 day' and not whole)
       order by created_at limit $2)) returning id`,
    [olderThanMs, limit],
  )
  for (const { id } of rows) await removePlan(db, id)
  return rows.length
}

const removeBatch = 50_000

/** Deletes a plan that is not whole, with its moves, in batches so that no statement takes long. */
async function removePlan({ statement }: Database, id: string): Promise<void> {
  for (let removed = removeBatch; removed === removeBatch;) {
    const rows = await statement.query(
      `delete from plan_moves where plan_id = $1 and number = any (array(
         select number from plan_moves where plan_id = $1 order by number limit ${removeBatch})) returning number`,
      [id],
    )
    removed = rows.length
  }
  await statement.query('delete from plans where id = $1 and not whole', [id])
}
