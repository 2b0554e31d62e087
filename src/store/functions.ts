import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import type pg from 'pg'
import { AnchorageError } from '../core/errors.ts'
import { isAtLeast, version } from '../core/version.ts'
import { checksumOf, withCreateGranted, type SchemaStatus } from './migrations.ts'
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
      return { name: basename(file, '.sql'), sql, checksum: checksumOf(sql) }
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
  const known = files.map(({ name, checksum }): SchemaStatus => {
    const row = rows.find((each) => each.name === name)
    const state = row?.checksum === checksum ? 'applied' : row && isNewer(row.version) ? 'unknown' : 'pending'
    return { version: null, name, state }
  })
  const others = rows
    .filter(({ name }) => !files.some((file) => file.name === name))
    .map((row): SchemaStatus => {
      return { version: null, name: row.name, state: isNewer(row.version) ? 'unknown' : 'obsolete' }
    })
  return [...known, ...others]
}

function isNewer(other: string): boolean {
  return !isAtLeast(version, other)
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
  await withCreateGranted(client, async () => {
    for (const file of files)
      await createFunction(client, file).catch((cause: unknown) => {
        throw new AnchorageError('internal', `function ${file.name} failed: ${String(cause)}`, { cause })
      })
  })
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
