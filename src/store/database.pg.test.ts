import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { isCode } from '../core/errors.ts'
import { testDatabase } from '../dev/test-postgres.ts'
import { openDatabase } from './database.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }

test('a connection that is lost between two statements ends its transaction, and nothing else', async () => {
  await using database = await testDatabase()
  await using db = openDatabase({ ...database, log: quiet })
  const other = new pg.Client(database.systemUrl)
  await other.connect()
  await assert.rejects(
    db.system(async (tx) => {
      const [me] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      await other.query('select pg_terminate_backend($1, 5000)', [me?.pid])
      // nobody waits for an answer while the connection ends
      await new Promise((resolve) => setTimeout(resolve, 100))
      await tx.query('select 1')
    }),
    (error) => isCode(error, 'unavailable'),
  )
  assert.deepEqual(await db.system((tx) => tx.query('select 1 as one')), [{ one: 1 }])
  await other.end()
})
