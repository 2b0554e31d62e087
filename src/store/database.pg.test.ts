import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { AnchorageError, isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import { until } from '../../testing/settle.ts'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { connectionsPerRole } from './connections.ts'
import { openDatabase, type Database } from './database.ts'
import { silentLog } from '../core/silent-log.ts'

test('a connection that is lost between two statements ends its transaction and nothing else', async () => {
  await using database = await testDatabase()
  await using db = openDatabase({ ...database, log: silentLog })
  const other = new pg.Client(database.systemUrl)
  await other.connect()
  await assert.rejects(
    db.system(async (tx) => {
      const [me] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      await other.query('select pg_terminate_backend($1, 5000)', [me?.pid])
      // no statement waits for an answer while the connection ends
      await new Promise((resolve) => setTimeout(resolve, 100))
      await tx.query('select 1')
    }),
    (error) => isCode(error, 'unavailable'),
  )
  assert.deepEqual(await db.system((tx) => tx.query('select 1 as one')), [{ one: 1 }])
  await other.end()
})

const org = mintId('org')
/** The ways to query the database, each with one statement. */
const doors: Record<string, (db: Database, sql: string) => Promise<unknown[]>> = {
  org: (db, sql) => db.org(org, (tx) => tx.query(sql)),
  orgAtOnce: async (db, sql) => (await db.orgAtOnce(org, [[sql, []]]))[0] ?? [],
  system: (db, sql) => db.system((tx) => tx.query(sql)),
  statement: (db, sql) => db.statement.query(sql),
}
const backend = 'select pg_backend_pid() as pid'

test('a connection is closed after an error that belongs to its session, and lent again after any other error', async () => {
  await using database = await testDatabase()
  const ends = ['25006', '57P01', '57P02', '57P03', '57P05', '08006', '08P01', '42501', '42P01', '25P02']
  ends.push('26000', '42P05', '0A000', 'XX000', '58030')
  const leaves = ['22001', '23505', '55P03', '57014', '54000', 'AN001', 'AN004', 'P0001', '40001']
  for (const [door, ask] of Object.entries(doors)) {
    await using db = openDatabase({ ...database, log: silentLog })
    for (const state of [...ends, ...leaves]) {
      const before = await ask(db, backend)
      await assert.rejects(ask(db, `do $$ begin raise exception using errcode = '${state}'; end $$`))
      const after = await ask(db, backend)
      const kept = leaves.includes(state)
      assert.equal(JSON.stringify(after) === JSON.stringify(before), kept, `${door} ${state}`)
    }
  }
})

test('a statement that was prepared before a migration changed its result is run again, on each connection', async () => {
  await using database = await testDatabase()
  await using db = openDatabase({ ...database, log: silentLog })
  const owner = new pg.Client(database.ownerUrl)
  await owner.connect()
  const answer = (columns: string) =>
    owner.query(
      `drop function if exists answer(); create function answer() returns table (${columns}) language sql as 'select 1, 2'`,
    )
  const ask = () => db.orgAtOnce(org, [['select * from answer() where $1', [true], 'answer']])
  const askAll = () => Promise.all(Array.from({ length: 2 * connectionsPerRole }, ask))
  await answer('a int, b int')
  await askAll()
  await answer('c int, d int')
  assert.deepEqual(await askAll(), Array(2 * connectionsPerRole).fill([[{ c: 1, d: 2 }]]))
  await owner.end()
})

test('a client that hangs up ends its statement, and the connection is closed', async () => {
  await using database = await testDatabase()
  await using db = openDatabase({ ...database, log: silentLog })
  const running = `select pid from pg_stat_activity where query like '%long sleep%' and pid <> pg_backend_pid() and state = 'active'`
  const [before] = (await db.orgAtOnce(org, [[backend, []]]))[0] ?? []
  const gone = new AbortController()
  const long = db.orgAtOnce(org, [[`select pg_sleep(3600) as "long sleep"`, []]], gone.signal)
  await until('it runs', async () => (await db.org(org, (tx) => tx.query(running))).length === 1)
  gone.abort(new AnchorageError('unavailable', 'hung up'))
  await assert.rejects(long, /hung up/)
  await until('it has ended', async () => (await db.org(org, (tx) => tx.query(running))).length === 0)
  const [after] = (await db.orgAtOnce(org, [[backend, []]]))[0] ?? []
  assert.notDeepEqual(after, before)
})

test('our own refusals keep the connection, unless their cause is an error of its session', async () => {
  await using database = await testDatabase()
  await using db = openDatabase({ ...database, log: silentLog })
  const before = await db.system((tx) => tx.query(backend))
  const refuse = (cause?: unknown) =>
    assert.rejects(
      db.system(() => Promise.reject(new AnchorageError('conflict', 'no', { cause }))),
      (error) => isCode(error, 'conflict'),
    )
  await refuse()
  await refuse(Object.assign(new Error(), { code: '23505' }))
  assert.deepEqual(await db.system((tx) => tx.query(backend)), before)
  await refuse(Object.assign(new Error(), { code: '25006' }))
  assert.notDeepEqual(await db.system((tx) => tx.query(backend)), before)
})

test('a database that takes no writes serves reads, and each role can write at its first try once writes are allowed again', async () => {
  await using database = await testDatabase()
  await using db = openDatabase({ ...database, log: silentLog })
  const owner = new pg.Client(database.ownerUrl)
  await owner.connect()
  const name = new URL(database.ownerUrl).pathname.slice(1)
  const refused = () => assert.rejects(db.proveWrites(), (error) => isCode(error, 'unavailable'))
  await db.proveWrites()
  for (const role of ['anchorage_tenant', 'anchorage_system']) {
    const asRole = new pg.Client(role === 'anchorage_tenant' ? database.tenantUrl : database.systemUrl)
    await asRole.connect()
    await owner.query(`alter role ${role} in database ${name} set default_transaction_read_only = on`)
    await asRole.query(endOthers)
    await asRole.end()
    await until('the role cannot write', async () => (await refused(), true))
    // a session from before could still write; none is left, so each new one is refused again below
    for (const ask of Object.values(doors)) assert.equal((await ask(db, backend)).length, 1)
    await refused()
    await owner.query(`alter role ${role} in database ${name} reset default_transaction_read_only`)
    await db.proveWrites()
  }
  await owner.end()
})

test('Postgres is reached directly', async () => {
  await using database = await testDatabase()
  await using db = openDatabase({ ...database, log: silentLog })
  assert.deepEqual(await db.ways(), { tenant: 'directly', system: 'directly' })
})

/** Ends all other sessions of this login in this database. */
const endOthers = `select pg_terminate_backend(pid, 5000) from pg_stat_activity
  where usename = current_user and datname = current_database() and pid <> pg_backend_pid()`
