import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import type pg from 'pg'
import { AnchorageError } from '../core/errors.ts'
import { withOneClient } from './one-client.ts'

/**
 * The state of a migration or of a function, whose version is null. `drifted`: a migration was applied with another text than the file has
 * now. `obsolete`: a function has no file any more.
 */
export interface SchemaStatus {
  version: number | null
  name: string
  state: 'applied' | 'pending' | 'drifted' | 'unknown' | 'obsolete'
}

/** One file of migrations/. */
export interface Migration {
  version: number
  name: string
  sql: string
  checksum: string
  /** The oldest code level that this schema still serves. */
  minCode: number
}

/** `server_version_num` of the oldest Postgres that the migrations run on. */
export const oldestPostgres = 160_000

const folder = new URL('../../migrations/', import.meta.url)
/** Any constant will do, as long as it never changes. */
const lockKey = 7_245_113

/** A connection as the owner, for as long as `work` takes; refuses (`invalid`) a server that is too old. */
export async function withOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withOneClient({ url, option: 'database.ownerUrl', name: 'anchorage migrate' }, async (client) => {
    const { rows } = await client.query('show server_version_num')
    if (Number(rows[0]?.server_version_num) < oldestPostgres)
      throw new AnchorageError('invalid', 'anchorage needs Postgres 16 or newer')
    return await work(client)
  })
}

/** Creates the table that records which migrations were applied. */
export async function makeMigrationsTable(client: pg.Client): Promise<void> {
  await client.query(`create table if not exists schema_migrations (
    version integer primary key, name text not null, checksum text not null, min_code integer not null,
    applied_at timestamptz not null default now())`)
  await client.query('grant select on schema_migrations to anchorage_system')
}

/**
 * Runs `work` in a transaction of its own, one at a time among all runs that there are. It holds nothing after its end, so a pooler may lie
 * between.
 */
export async function locked<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    await client.query('select pg_advisory_xact_lock($1)', [lockKey])
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

/** Lets the roles that own functions and partitions create them while `work` runs, in the transaction of the caller. */
export async function withCreateGranted(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query('grant create on schema public to anchorage_system, anchorage_audit')
  await work()
  await client.query('revoke create on schema public from anchorage_system')
}

/** Records a migration as applied. */
export async function recordMigration(
  client: pg.Client,
  { version, name, checksum, minCode }: Migration,
): Promise<void> {
  await client.query(
    'insert into schema_migrations (version, name, checksum, min_code) values ($1, $2, $3, $4)',
    [version, name, checksum, minCode],
  )
}

/**
 * The state of each of `files` in the database, and the migrations that newer code applied. Numbers below the first file's are of the
 * version before (`adopt.ts`) and are left out.
 */
export async function compare(client: pg.Client, files: Migration[]): Promise<SchemaStatus[]> {
  const exists = await client.query(`select to_regclass('schema_migrations') is not null as there`)
  const applied = exists.rows[0]?.there
    ? (
        await client.query(
          'select version, name, checksum from schema_migrations where version >= $1 order by version',
          [files[0]?.version],
        )
      ).rows
    : []
  const known = files.map((file): SchemaStatus => {
    const row = applied.find((a) => a.version === file.version)
    const state = !row ? 'pending' : row.checksum === file.checksum ? 'applied' : 'drifted'
    return { version: file.version, name: file.name, state }
  })
  const newer = applied
    .filter((a) => !files.some((f) => f.version === a.version))
    .map((a): SchemaStatus => ({ version: a.version, name: a.name, state: 'unknown' }))
  return [...known, ...newer]
}

/** All migrations, in order. */
export async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8')
      return {
        version: Number(name.slice(0, 4)),
        name: name.replace(/\.sql$/, ''),
        sql,
        checksum: checksumOf(sql),
        minCode: Number(/^-- min_code: (\d+)/.exec(sql)?.[1] ?? 0),
      }
    }),
  )
}

/** What is recorded of a file's text. */
export function checksumOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex')
}
