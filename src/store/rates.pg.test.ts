import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { openStore, type Store } from './store.ts'
import { silentLog } from '../core/silent-log.ts'

let database: TestDatabase
/** The stores of two nodes. */
let one: Store
let other: Store

before(async () => {
  database = await testDatabase()
  one = openStore({ ...database, log: silentLog })
  other = openStore({ ...database, log: silentLog })
})
after(async () => {
  await one[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

const limits = (...keys: string[]) => keys.map((key, index) => ({ key, perWindow: 10 * (index + 1) }))

test('nodes that count at the same moment miss no request, and count under no key after the first limit that is passed', async () => {
  const counted = await Promise.all(
    Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? one : other).rates.count(limits('a', 'all'), 60)),
  )
  assert.deepEqual(
    counted.map(([first]) => first?.counted).sort((a = 0, b = 0) => a - b),
    Array.from({ length: 60 }, (_, n) => n + 1),
  )
  assert.equal(counted.filter((rungs) => rungs.length === 2).length, 10)
  const [first, all] = await one.rates.count(limits('b', 'all'), 60)
  assert.equal(first?.counted, 1)
  assert.equal(all?.counted, 11)
  const resetMs = all?.resetMs ?? 0
  assert.ok(resetMs > 30_000 && resetMs <= 60_000, String(resetMs))
})

test('requests that share keys in every combination, while other keys expire, never deadlock', async () => {
  const keys = ['x', 'y', 'z']
  await Promise.all(
    Array.from({ length: 300 }, (_, n) =>
      (n % 2 === 0 ? one : other).rates.count(
        limits(`${keys[n % 3]}${n % 7}`, `site-${n % 2}`, 'everyone'),
        0.01,
      ),
    ),
  )
})

test('a count begins again when its time is over, and counts that are over are deleted', async () => {
  await one.rates.count(limits('short'), 0.05)
  const client = new pg.Client({ connectionString: database.systemUrl })
  await client.connect()
  await client.query('select pg_sleep(0.1)')
  const [again] = await other.rates.count(limits('short'), 60)
  assert.equal(again?.counted, 1)
  for (let n = 0; n < 20; n++) await one.rates.count(limits('short'), 60)
  const { rows } = await client.query<{ key: string }>(
    'select key from rate_counts where ends_at <= clock_timestamp()',
  )
  await client.end()
  assert.deepEqual(rows, [])
})
