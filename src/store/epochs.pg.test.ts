import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { until } from '../../testing/settle.ts'
import { epochOf, numberOf, type Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'

const { database, store, system } = await testStore()

test('each epoch has the next number and the id of its term, and only the newest one leads', async () => {
  const seen = await store.epochs.present()
  const first = await store.epochs.take(seen, 'first')
  assert.equal(first, `${numberOf(seen) + 1}:first`)
  assert.equal(await store.epochs.present(), first)
  const second = await nextEpoch(store)
  assert.equal(numberOf(second), numberOf(seen) + 2)
  await refused(epochOf(first))
  await leads(second)
})

test('an epoch that is not the present one is followed by none', async () => {
  const seen = await store.epochs.present()
  const epoch = await nextEpoch(store)
  assert.equal(await store.epochs.take(seen, 'late'), null)
  await leads(epoch)
})

test('a request for an epoch that Postgres carries out after another leader was elected changes nothing', async () => {
  const seen = await store.epochs.present()
  const other = new pg.Client({ connectionString: database.systemUrl })
  await other.connect()
  try {
    await other.query('begin')
    await other.query(`update cluster set epoch = epoch + 1, term = concat(epoch + 1, ':other')`)
    const { rows } = await other.query<{ pid: number }>('select pg_backend_pid() as pid')
    const late = store.epochs.take(seen, 'late')
    await until('the late request waits for the row', async () => {
      const sql = 'select from pg_stat_activity where pg_blocking_pids(pid) @> array[$1::int]'
      return (await system.query(sql, [rows[0]?.pid])).rows.length > 0
    })
    await other.query('commit')
    assert.equal(await late, null)
  } finally {
    await other.end()
  }
  const epoch = await store.epochs.present()
  assert.equal(epoch, `${numberOf(seen) + 1}:other`)
  await leads(epoch)
})

test('when a database that went back in time gives the same number again, the first leader of that number is refused', async () => {
  const { rows } = await system.query('select epoch, term from cluster')
  const first = await nextEpoch(store)
  await system.query('update cluster set epoch = $1, term = $2', [rows[0].epoch, rows[0].term])
  const second = await nextEpoch(store)
  assert.equal(numberOf(first), numberOf(second))
  await refused(first)
  await leads(second)
  await refused(first)
})

test('a number that an operator raised ends the term of its leader, and the next leader continues from there', async () => {
  const epoch = await nextEpoch(store)
  await system.query('update cluster set epoch = epoch + 1')
  await refused(epoch)
  const next = await nextEpoch(store)
  assert.equal(numberOf(next), numberOf(epoch) + 2)
  await leads(next)
})

test('nodes of the version before, which take and name a bare number, fence others and are fenced by them', async () => {
  /** As such a node sends it: without a type. */
  const write = (number: number) => system.query('select assert_leading($1)', [number])
  const take = async () =>
    Number(
      (await system.query('update cluster set epoch = epoch + 1 returning epoch as value')).rows[0].value,
    )

  const epoch = await nextEpoch(store)
  await assert.rejects(write(numberOf(epoch)), { code: 'AN002' })
  const old = await take()
  await write(old)
  await refused(epoch)
  const older = old
  const newer = await take()
  await write(newer)
  await assert.rejects(write(older), { code: 'AN002' })
  const next = await nextEpoch(store)
  await leads(next)
  for (const number of [older, newer, numberOf(next)])
    await assert.rejects(write(number), { code: 'AN002' }, String(number))
})

/** Every kind of a leader's write. */
function writes(epoch: Epoch): Record<string, () => Promise<unknown>> {
  const node = mintId('nod')
  const plan = mintId('pln')
  const { repair, sweep, plans, orgRemoval, measures, operator } = store
  return {
    apply_repairs: () => repair.apply(epoch, []),
    setWalk: () => repair.advanceWalk(epoch, node, 'a'),
    noteAway: () => repair.noteAway(epoch, node, { what: 'silent', forMs: 0, reason: 'test' }),
    noteHeard: () => repair.noteHeard(epoch, node),
    noteDown: () => repair.noteDown(epoch, node, true),
    noteDrained: () => repair.noteDrained(epoch),
    requeue_expired: () => sweep.requeueExpiredClaims(epoch, 1),
    release_due: () => sweep.releaseDue(epoch, 1),
    release_holds: () => sweep.releaseHolds(epoch, 1),
    continue_folds: () => sweep.finishFolds(epoch, 1),
    bound_times: () => sweep.boundTimes(epoch, 1),
    wake_put_by: () => sweep.wakePutBy(epoch, 1),
    start_moves: () => plans.startMoves(epoch, plan, 1, 1),
    settle_moves: () => plans.settleMoves(epoch, plan),
    remove_org: () => orgRemoval.removeSome(epoch, 1),
    add_up_placements: () => measures.cluster(epoch),
    endMaintenance: () => operator.endMaintenance(epoch),
  }
}

test('the list of the writes of a leader in this file has every function that takes an epoch', async () => {
  const { rows } = await system.query<{ name: string }>(
    `select proname as name from pg_proc where 'of_leader' = any (proargnames) and proname not like 'assert%'`,
  )
  const known = Object.keys(writes(epochOf('0')))
  assert.deepEqual(
    rows.map(({ name }) => name).filter((name) => !known.includes(name)),
    [],
  )
  assert.ok(rows.length >= 10)
})

async function leads(epoch: Epoch): Promise<void> {
  for (const [name, write] of Object.entries(writes(epoch))) await assert.doesNotReject(write(), name)
}

async function refused(epoch: Epoch): Promise<void> {
  for (const [name, write] of Object.entries(writes(epoch)))
    await assert.rejects(write(), (error) => isCode(error, 'not_leading'), name)
}
