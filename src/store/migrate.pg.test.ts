import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { isCode } from '../core/errors.ts'
import { codeLevel, migrateStatus, migrateUp } from './migrate.ts'

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
  assert.equal(runs[0]?.at(-1)?.version, codeLevel)
})

test('a migration whose file changed after it was applied is reported, and nothing more is applied', async () => {
  await using database = await testDatabase()
  await asOwner(database.ownerUrl, async (client) => {
    await client.query(`update schema_migrations set checksum = 'other' where version = 2`)
    await client.query('delete from schema_migrations where version > 2')
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
  assert.deepEqual((await migrateStatus(database.ownerUrl)).at(-1), {
    version: 9999,
    name: 'future',
    state: 'unknown',
  })
})

test('a server that cannot be reached is unavailable, with its address and without the password', async () => {
  await assert.rejects(migrateStatus('postgres://owner:hunter2@127.0.0.1:1/none'), (error) => {
    return (
      isCode(error, 'unavailable') && /127\.0\.0\.1/.test(error.message) && !error.message.includes('hunter2')
    )
  })
})

async function asOwner(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
