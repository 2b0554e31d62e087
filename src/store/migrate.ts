import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import pg from 'pg'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { ensureRoles } from './roles.ts'

/** Where a migration stands: `drifted` was applied with another text than the file has now. */
export interface MigrationStatus {
  version: number
  name: string
  state: 'applied' | 'pending' | 'drifted' | 'unknown'
}

interface Migration {
  version: number
  name: string
  sql: string
  checksum: string
  /** The oldest code level that this schema still serves. */
  minCode: number
}

/** The schema level that this code was written for: its newest migration. */
export const codeLevel = 20

const folder = new URL('../../migrations/', import.meta.url)
/** Any constant will do, as long as it never changes. */
const lockKey = 7_245_113

/**
 * Makes the roles, with their settings, and applies what is pending, each file in a transaction, under an advisory lock, so that any number
 * may run at once. `ownerUrl` needs CREATEROLE and to own the database; passwords are those that the nodes will log in with.
 */
export async function migrateUp(
  ownerUrl: string,
  passwords: { tenant: string; system: string },
  log: Pick<Log, 'info'>,
): Promise<MigrationStatus[]> {
  return withOwner(ownerUrl, async (client) => {
    await locked(client, async () => {
      await ensureRoles(client, passwords)
      await client.query(`create table if not exists schema_migrations (
        version integer primary key, name text not null, checksum text not null, min_code integer not null,
        applied_at timestamptz not null default now())`)
    })
    const files = await readMigrations()
    const drifted = (await compare(client, files)).find((m) => m.state === 'drifted')
    if (drifted)
      throw new AnchorageError(
        'conflict',
        `migration ${drifted.name} was changed after it was applied; restore the file`,
      )
    for (const file of files)
      if (await locked(client, () => apply(client, file)))
        log.info({ migration: file.name }, 'applied a migration')
    await locked(client, async () => {
      await client.query('revoke create on schema public from anchorage_system')
      await client.query('grant select on schema_migrations to anchorage_system')
      await client.query('set local role anchorage_system; select audit_extend()')
    })
    return compare(client, files)
  })
}

/** What is applied and what is not, in order; `unknown` ones were applied by newer code. */
export async function migrateStatus(url: string): Promise<MigrationStatus[]> {
  return withOwner(url, async (client) => compare(client, await readMigrations()))
}

async function withOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'anchorage migrate',
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    throw new AnchorageError('unavailable', `Postgres cannot be reached as the owner: ${String(cause)}`, {
      cause,
    })
  }
  try {
    const { rows } = await client.query('show server_version_num')
    if (Number(rows[0]?.server_version_num) < 160_000)
      throw new AnchorageError('invalid', 'anchorage needs Postgres 16 or newer')
    return await work(client)
  } finally {
    await client.end()
  }
}

/** A transaction of its own, one at a time of all runs there are. It holds nothing beyond its end, so a pooler may lie between. */
async function locked<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
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

/** Whether there was anything to apply: another run may have come first. */
async function apply(client: pg.Client, file: Migration): Promise<boolean> {
  const { rows } = await client.query('select from schema_migrations where version = $1', [file.version])
  if (rows.length > 0) return false
  try {
    await client.query('grant create on schema public to anchorage_system, anchorage_audit')
    await client.query(file.sql)
    await client.query(
      'insert into schema_migrations (version, name, checksum, min_code) values ($1, $2, $3, $4)',
      [file.version, file.name, file.checksum, file.minCode],
    )
    return true
  } catch (cause) {
    throw new AnchorageError('internal', `migration ${file.name} failed: ${String(cause)}`, { cause })
  }
}

async function compare(client: pg.Client, files: Migration[]): Promise<MigrationStatus[]> {
  const exists = await client.query(`select to_regclass('schema_migrations') is not null as there`)
  const applied = exists.rows[0]?.there
    ? (await client.query('select version, name, checksum from schema_migrations order by version')).rows
    : []
  const known = files.map((file): MigrationStatus => {
    const row = applied.find((a) => a.version === file.version)
    const state = !row ? 'pending' : row.checksum === file.checksum ? 'applied' : 'drifted'
    return { version: file.version, name: file.name, state }
  })
  const newer = applied
    .filter((a) => !files.some((f) => f.version === a.version))
    .map((a): MigrationStatus => ({ version: a.version, name: a.name, state: 'unknown' }))
  return [...known, ...newer]
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8')
      return {
        version: Number(name.slice(0, 4)),
        name: name.replace(/\.sql$/, ''),
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
        minCode: Number(/^-- min_code: (\d+)/.exec(sql)?.[1] ?? 0),
      }
    }),
  )
}
