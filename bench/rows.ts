import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { eachInFlight } from '../testing/settle.ts'

/** Durable one-row transactions a second, 32 in flight on a pool like the store's: the limit of Postgres itself on this machine. */
export async function oneRowRate(ownerUrl: string, count: number): Promise<number> {
  const options: pg.PoolConfig & { pipeline: boolean } = {
    connectionString: ownerUrl,
    max: 8,
    options: '-c synchronous_commit=on',
    pipeline: true,
  }
  const pool = new pg.Pool(options)
  try {
    const { rows } = await pool.query<{ fsync: string }>('select current_setting($1) as fsync', ['fsync'])
    if (rows[0]?.fsync !== 'on')
      throw new Error('Postgres runs with fsync off, so nothing would be durable: switch fsync on')
    await pool.query(
      'create table if not exists bench_rows (id uuid primary key, at timestamptz not null default now())',
    )
    const insert = (id: string): Promise<unknown> =>
      pool.query('insert into bench_rows (id) values ($1)', [id])
    await eachInFlight(ids(500), 32, insert) // warm
    const todo = ids(count)
    const started = performance.now()
    await eachInFlight(todo, 32, insert)
    return count / ((performance.now() - started) / 1000)
  } finally {
    await pool.end()
  }
}

function ids(count: number): string[] {
  return Array.from({ length: count }, () => randomUUID())
}
