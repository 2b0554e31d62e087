import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { testDatabase } from './postgres.ts'

const ask = async (url: string, sql: string) => {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows[0]
  } finally {
    await client.end()
  }
}

test('each caller gets a migrated database of its own, and no role in it is a superuser', async () => {
  await using first = await testDatabase()
  await using second = await testDatabase()
  const who = `select current_database() as db, current_user as role, rolsuper or rolbypassrls as mighty,
    to_regclass('pins') is not null as migrated from pg_roles where rolname = current_user`
  const seen = await Promise.all(
    [first, second].flatMap(({ ownerUrl, tenantUrl, systemUrl }) =>
      [ownerUrl, tenantUrl, systemUrl].map((url) => ask(url, who)),
    ),
  )
  assert.deepEqual(
    seen.map(({ role }) => role),
    [
      'anchorage_owner',
      'anchorage_tenant',
      'anchorage_system',
      'anchorage_owner',
      'anchorage_tenant',
      'anchorage_system',
    ],
  )
  assert.ok(seen.every(({ mighty, migrated }) => mighty === false && migrated === true))
  assert.equal(new Set(seen.map(({ db }) => db)).size, 2)
})

test('a database is dropped when it is disposed, even while a client is still connected', async () => {
  await using other = await testDatabase()
  const database = await testDatabase()
  const left = new Client({ connectionString: database.tenantUrl })
  left.on('error', () => undefined)
  await left.connect()
  await database[Symbol.asyncDispose]()
  await assert.rejects(ask(database.ownerUrl, 'select 1'), { code: '3D000' })
  assert.equal((await ask(other.ownerUrl, 'select 1 as one')).one, 1)
})
