import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { isCode } from '../core/errors.ts'
import { silentLog } from '../core/silent-log.ts'
import { readFunctions } from './functions.ts'
import { codeLevel, migrateStatus, migrateUp } from './migrate.ts'
import { proveSchema } from './prove-schema.ts'
import { openStore } from './store.ts'

const silent = { info() {} }
const passwordsOf = (urls: { tenantUrl: string; systemUrl: string }) => ({
  tenant: new URL(urls.tenantUrl).password,
  system: new URL(urls.systemUrl).password,
})

test('any number of concurrent runs bring an empty database to the level of this code', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query(
      'drop schema public cascade; create schema public; grant usage on schema public to public',
    )
  })
  assert.ok((await migrateStatus(database.ownerUrl)).every((m) => m.state === 'pending'))
  const runs = await Promise.all(
    [1, 2, 3].map(() => migrateUp(database.ownerUrl, passwordsOf(database), silent)),
  )
  for (const run of runs) assert.ok(run.every((m) => m.state === 'applied'))
  assert.equal(runs[0]?.findLast(({ version }) => version)?.version, codeLevel)
})

test('runs on several databases of one server, which share its roles, all succeed', async () => {
  await using undo = new AsyncDisposableStack()
  const databases = await Promise.all(Array.from({ length: 6 }, async () => undo.use(await testDatabase())))
  for (let round = 0; round < 3; round++)
    await Promise.all(
      databases.map((database) => migrateUp(database.ownerUrl, passwordsOf(database), silent)),
    )
})

test('a migration whose file changed after it was applied is reported, and nothing more is applied', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query(`update schema_migrations set checksum = 'other' where version = 101`)
    await client.query('delete from schema_migrations where version > 101')
  })
  const status = await migrateStatus(database.ownerUrl)
  assert.deepEqual(
    status.slice(0, 3).map((m) => m.state),
    ['applied', 'drifted', 'pending'],
  )
  await assert.rejects(migrateUp(database.ownerUrl, passwordsOf(database), silent), (error) =>
    isCode(error, 'conflict'),
  )
  assert.equal((await migrateStatus(database.ownerUrl))[2]?.state, 'pending')
})

test('a migration that newer code applied is shown as unknown', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query(
      `insert into schema_migrations (version, name, checksum, min_code) values (9999, 'future', 'x', 1)`,
    )
  })
  assert.deepEqual(
    (await migrateStatus(database.ownerUrl)).filter(({ state }) => state !== 'applied'),
    [{ version: 9999, name: 'future', state: 'unknown' }],
  )
})

test('only the functions whose files changed are applied again, with their grants and triggers', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query(
      `update schema_functions set checksum = 'other' where name in ('is_wanted', 'forget_name', 'able_nodes')`,
    )
    await client.query(
      'set role anchorage_system; revoke execute on function able_nodes from anchorage_tenant; reset role',
    )
    await client.query('drop trigger forget_name on pins')
  })
  const before = await applied(database.ownerUrl)
  const changed = (await migrateStatus(database.ownerUrl)).filter(({ state }) => state !== 'applied')
  assert.deepEqual(
    changed.map(({ name, state }) => [name, state]),
    ['able_nodes', 'forget_name', 'is_wanted'].map((name) => [name, 'pending']),
  )
  const said: object[] = []
  await migrateUp(database.ownerUrl, passwordsOf(database), { info: (fields) => void said.push(fields) })
  assert.deepEqual(said, [{ functions: ['able_nodes', 'forget_name', 'is_wanted'] }])
  const after = await applied(database.ownerUrl)
  const again = [...after].filter(([name, at]) => before.get(name) !== at).map(([name]) => name)
  assert.deepEqual(again, ['able_nodes', 'forget_name', 'is_wanted'])
  assert.deepEqual(await proveSchema(database.ownerUrl), [])
})

test('functions of a newer version are left as they are, and functions that no file has any more are dropped', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query(
      `update schema_functions set checksum = 'newer', version = '10.0.0' where name = 'is_wanted'`,
    )
    await client.query(`create function of_newer() returns int language sql as 'select 1'`)
    await client.query(`create function of_older() returns int language sql as 'select 1'`)
    await client.query(
      `insert into schema_functions (name, checksum, version) values ('of_newer', 'x', '10.0.0'), ('of_older', 'x', '0.0.1')`,
    )
  })
  const status = await migrateStatus(database.ownerUrl)
  assert.deepEqual(
    status.filter(({ state }) => state !== 'applied').map(({ name, state }) => [name, state]),
    [
      ['is_wanted', 'unknown'],
      ['of_newer', 'unknown'],
      ['of_older', 'obsolete'],
    ],
  )
  await migrateUp(database.ownerUrl, passwordsOf(database), silent)
  await asOwner(database.ownerUrl, async (client) => {
    const { rows } = await client.query(
      `select name, version from schema_functions where checksum in ('x', 'newer') order by name`,
    )
    assert.deepEqual(rows, [
      { name: 'is_wanted', version: '10.0.0' },
      { name: 'of_newer', version: '10.0.0' },
    ])
    const { rows: left } = await client.query(
      `select proname from pg_proc where proname in ('of_newer', 'of_older')`,
    )
    assert.deepEqual(left, [{ proname: 'of_newer' }])
  })
})

test('a change of functions that fails changes none of them', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query('alter function is_wanted(text) rename to other_name')
    await client.query(
      'create function is_wanted(other text, name text) returns int language sql as $$select 1$$',
    )
    await client.query(
      `update schema_functions set checksum = 'other' where name in ('able_nodes', 'is_wanted')`,
    )
  })
  await assert.rejects(
    migrateUp(database.ownerUrl, passwordsOf(database), silent),
    (error) =>
      isCode(error, 'internal') && /^function is_wanted failed: .*more than one function/.test(error.message),
  )
  const pending = (await migrateStatus(database.ownerUrl)).filter(({ state }) => state === 'pending')
  assert.deepEqual(
    pending.map(({ name }) => name),
    ['able_nodes', 'is_wanted'],
  )
})

test('a node does not start on functions that are older than its own', async () => {
  await using database = await testDatabase()
  await using store = openStore({ ...database, log: silentLog })
  await store.nodes.assertReady()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query(`update schema_functions set checksum = 'other' where name = 'is_wanted'`)
  })
  await assert.rejects(
    store.nodes.assertReady(),
    (error) => isCode(error, 'invalid') && error.message.endsWith('(is_wanted); run: anchorage migrate up'),
  )
})

test('each function calls only what exists: Postgres checks all bodies once all functions are there', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query('begin')
    await client.query('grant create on schema public to anchorage_system, anchorage_audit')
    for (const { sql } of await readFunctions()) await client.query(`${sql}; reset role`)
    await client.query('rollback')
  })
})

test('a server that cannot be reached is unavailable, with its address and without the password', async () => {
  await assert.rejects(migrateStatus('postgres://owner:hunter2@127.0.0.1:1/none'), (error) => {
    return (
      isCode(error, 'unavailable') && /127\.0\.0\.1/.test(error.message) && !error.message.includes('hunter2')
    )
  })
})

/** When each function was applied. */
async function applied(ownerUrl: string): Promise<Map<string, string>> {
  const at = new Map<string, string>()
  await asOwner(ownerUrl, async (client) => {
    const { rows } = await client.query(
      'select name, applied_at::text as at from schema_functions order by name',
    )
    for (const row of rows) at.set(row.name, row.at)
  })
  return at
}

async function asOwner(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
