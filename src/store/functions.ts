import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import type pg from 'pg'
import { AnchorageError } from '../core/errors.ts'
import { version } from '../core/version.ts'
import type { SchemaStatus } from './migrations.ts'
import { queryOf } from './one-client.ts'
import type { Query } from './query.ts'

/**
 * One file of functions/: the function of that name, with its triggers. The role that the file sets owns the function; without one, the
 * owner of the schema does. `anchorage_system` may call every function, an org's requests only those that the file grants to
 * `anchorage_tenant`.
 */
export interface SqlFunction {
  name: string
  sql: string
  checksum: string
}

const folder = new URL('./functions/', import.meta.url)

/** All functions, by name. */
export async function readFunctions(): Promise<SqlFunction[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file) => {
      const sql = await readFile(new URL(file, folder), 'utf8')
      return { name: basename(file, '.sql'), sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/** Creates the table that records which functions were applied, and by which version of anchorage. */
export async function makeFunctionsTable(client: pg.Client): Promise<void> {
  await client.query(`create table if not exists schema_functions (
    name text primary key, checksum text not null, version text not null, applied_at timestamptz not null default now())`)
  await client.query('grant select on schema_functions to anchorage_system')
}

/**
 * The state of each of `files` in the database. One that a newer version of anchorage applied is `unknown`, one that no file has any more
 * is `obsolete`; `migrate up` leaves the former alone and drops the latter.
 */
export async function compareFunctions(query: Query, files: SqlFunction[]): Promise<SchemaStatus[]> {
  const [table] = await query<{ exists: boolean }>(
    `select to_regclass('schema_functions') is not null as exists`,
  )
  const rows = table?.exists
    ? await query<{ name: string; checksum: string; version: string }>(
        'select name, checksum, version from schema_functions order by name',
      )
    : []
  const applied = new Map(rows.map((row) => [row.name, row]))
  const known = files.map(({ name, checksum }): SchemaStatus => {
    const row = applied.get(name)
    applied.delete(name)
    const state = row?.checksum === checksum ? 'applied' : row && isNewer(row.version) ? 'unknown' : 'pending'
    return { version: null, name, state }
  })
  const others = [...applied.values()].map((row): SchemaStatus => {
    return { version: null, name: row.name, state: isNewer(row.version) ? 'unknown' : 'obsolete' }
  })
  return [...known, ...others]
}

/** Whether `other`, `major.minor.patch`, is a newer version of anchorage than this one. */
function isNewer(other: string): boolean {
  const [theirs, ours] = [other, version].map((text) => text.split(/[.-]/, 3).map(Number))
  for (const [index, number] of ours?.entries() ?? [])
    if (theirs?.[index] !== number) return (theirs?.[index] ?? 0) > number
  return false
}

/**
 * Applies those of `files` that changed, drops those that no file has any more, and records both. Returns the names of all of these. The
 * caller holds the lock of migrations.
 */
export async function applyFunctions(client: pg.Client, files: SqlFunction[]): Promise<string[]> {
  const status = await compareFunctions(queryOf(client), files)
  const inState = (state: string): Set<string> =>
    new Set(status.filter((each) => each.state === state).map(({ name }) => name))
  const obsolete = inState('obsolete')
  const pending = inState('pending')
  const changed = files.filter(({ name }) => pending.has(name))
  for (const name of obsolete) {
    await client.query(`drop function ${name} cascade`)
    await client.query('delete from schema_functions where name = $1', [name])
  }
  await createFunctions(client, changed)
  for (const { name, checksum } of changed)
    await client.query(
      `insert into schema_functions (name, checksum, version) values ($1, $2, $3)
       on conflict (name) do update set checksum = $2, version = $3, applied_at = now()`,
      [name, checksum, version],
    )
  return [...obsolete, ...pending]
}

/** Creates or replaces functions. They may call each other, so Postgres checks no body before all of them exist. */
export async function createFunctions(client: pg.Client, files: SqlFunction[]): Promise<void> {
  await client.query('set local check_function_bodies = off')
  await client.query('grant create on schema public to anchorage_system, anchorage_audit')
  for (const file of files)
    await createFunction(client, file).catch((cause: unknown) => {
      throw new AnchorageError('internal', `function ${file.name} failed: ${String(cause)}`, { cause })
    })
  await client.query('revoke create on schema public from anchorage_system')
}

async function createFunction(client: pg.Client, { name, sql }: SqlFunction): Promise<void> {
  await client.query(`${sql}; reset role`)
  await client.query(`set local role ${await ownerOf(client, name)}`)
  await client.query(`revoke all on function ${name} from public`)
  await client.query(`grant execute on function ${name} to anchorage_system`)
  await client.query('reset role')
}

async function ownerOf(client: pg.Client, name: string): Promise<string> {
  const { rows } = await client.query<{ owner: string }>(
    'select proowner::regrole::text as owner from pg_proc where oid = $1::regproc',
    [name],
  )
  const [row] = rows
  assert(row)
  return row.owner
}
