import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import pg from 'pg'
import { isCode } from '../core/errors.ts'
import { asOwnerOf } from '../../testing/database/org-isolation.ts'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { openStore } from './store.ts'
import { silentLog } from '../core/silent-log.ts'

/** The first of the month that was `ago` months before this one. */
const monthOf = (ago: number): Date => {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - ago, 1))
}
const nameOf = (ago: number): string => monthOf(ago).toISOString().slice(0, 7).replace('-', '')

/** An audit log with a partition and a line for each of the last eight months, and five older lines outside of the month partitions. */
async function aged() {
  const made = new AsyncDisposableStack()
  const database = made.use(await testDatabase())
  const store = made.use(openStore({ ...database, log: silentLog }))
  const connect = async (url: string): Promise<pg.Client> => {
    const client = new pg.Client(url)
    await client.connect()
    made.defer(() => client.end())
    return client
  }
  const [owner, system, tenant] = [
    await connect(database.ownerUrl),
    await connect(database.systemUrl),
    await connect(database.tenantUrl),
  ]
  await asOwnerOf(owner, 'audit_log', async () => {
    for (let ago = 8; ago >= 1; ago--)
      await owner.query(
        `create table audit_log_${nameOf(ago)} partition of audit_log for values from ('${monthOf(ago).toISOString()}') to ('${monthOf(ago - 1).toISOString()}')`,
      )
  })
  const write = (at: Date, action: string) =>
    system.query(
      `insert into audit_log (at, id, actor, action, target) values ($1, $2, 'a test', $3, 'of old')`,
      [at, randomUUID(), action],
    )
  for (let ago = 8; ago >= 1; ago--) await write(monthOf(ago), `of ${ago}`)
  for (let n = 0; n < 5; n++) await write(new Date(monthOf(9).getTime() + n), 'of 9')
  const left = async (): Promise<string[]> =>
    (await store.operator.audit({ limit: 100 }))
      .filter(({ actor }) => actor === 'a test')
      .map(({ action }) => action)
  return { store, system, tenant, left, [Symbol.asyncDispose]: () => made.disposeAsync() }
}

test('old months of the audit are dropped whole, equally old lines outside of them a few at a time, and the log records it', async () => {
  await using it = await aged()
  const { store } = it
  assert.deepEqual(await store.audit.drop(3, 2), { months: [8, 7, 6, 5, 4].map(nameOf), lines: 2 })
  assert.deepEqual(await it.left(), ['of 1', 'of 2', 'of 3', 'of 9', 'of 9', 'of 9'])
  assert.deepEqual(await store.audit.drop(3, 2), { months: [], lines: 2 })
  assert.deepEqual(await store.audit.drop(3, 2), { months: [], lines: 1 })
  assert.deepEqual(await store.audit.drop(3, 2), { months: [], lines: 0 })
  assert.deepEqual(await it.left(), ['of 1', 'of 2', 'of 3'])
  const told = (await store.operator.audit({ limit: 100 })).filter(({ action }) => action === 'audit.drop')
  const before = monthOf(3).toISOString().slice(0, 10)
  assert.deepEqual(
    told.toReversed().map(({ actor, orgId, details }) => ({ actor, orgId, details })),
    [
      { months: [8, 7, 6, 5, 4].map(nameOf), lines: 2 },
      { months: [], lines: 2 },
      { months: [], lines: 1 },
    ].map((gone) => ({ actor: 'prune', orgId: null, details: { before, ...gone } })),
  )
})

test('no role can drop the last three months, and nothing is dropped or deleted except by the function for it', async () => {
  await using it = await aged()
  for (const months of [2, 0, -5])
    await assert.rejects(it.store.audit.drop(months, 100), (error) => isCode(error, 'conflict'))
  const tries = [
    'delete from audit_log',
    'truncate audit_log',
    `drop table audit_log_${nameOf(8)}`,
    `delete from audit_log_${nameOf(8)}`,
    'delete from audit_log_rest',
  ]
  for (const sql of tries) {
    await assert.rejects(it.system.query(sql), { code: '42501' }, sql)
    await assert.rejects(it.tenant.query(sql), { code: '42501' }, sql)
  }
  const asTenant = `select audit_drop(3, 1, gen_random_uuid(), 'x')`
  await assert.rejects(it.tenant.query(asTenant), { code: '42501' })
  assert.equal((await it.left()).length, 13)
})

test('old months are left for the next run while a transaction writes to the log', async () => {
  await using it = await aged()
  await it.system.query('begin')
  await it.system.query(
    `insert into audit_log (id, actor, action, target) values (gen_random_uuid(), 'another', 'x', 'y')`,
  )
  assert.deepEqual(await it.store.audit.drop(3, 100), { months: [], lines: 5 })
  await it.system.query('commit')
  assert.deepEqual(await it.store.audit.drop(3, 100), { months: [8, 7, 6, 5, 4].map(nameOf), lines: 0 })
})
