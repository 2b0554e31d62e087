import type pg from 'pg'
import type { BackupHead, BackupPart } from '../core/backup.ts'
import { AnchorageError } from '../core/errors.ts'
import { assertRole } from './assert-ready.ts'
import { assertSums, tablesToKeep } from './backup-tables.ts'
import { codeLevel } from './migrate.ts'
import { withLongTransaction } from './one-client.ts'
import type { Query } from './query.ts'

/** This many rows are fetched at a time. */
const pageRows = 1_000

/**
 * Hands all tables that a backup holds to `take`, part by part, as they were at one moment; nodes continue to work meanwhile. `version` is the
 * program's. Rejects with `invalid` when the login or the schema is not this program's, and with `conflict` when the counts do not match
 * the pins. If it rejects, the parts that were taken are no backup.
 */
export async function readBackup(
  systemUrl: string,
  version: string,
  take: (parts: AsyncIterable<BackupPart>) => Promise<void>,
  signal: AbortSignal,
): Promise<BackupHead & { rows: Record<string, number> }> {
  const login = { url: systemUrl, option: 'database.systemUrl', name: 'anchorage backup', signal }
  const snapshot = 'begin isolation level repeatable read read only'
  return withLongTransaction(login, snapshot, async (client, query) => {
    await assertRole(query, 'anchorage_system')
    const head = await headOf(query, version)
    const tables = await tablesToKeep(query)
    await assertSums(query)
    const rows: Record<string, number> = {}
    await take(partsOf(client, head, tables, rows))
    return { ...head, rows }
  })
}

interface HeadRow {
  level: number
  clusterId: string
  epoch: string
  generation: string
  takenAt: Date
}

/** The level must be exactly ours: a backup of a newer schema would leave out what this code does not know. */
async function headOf(query: Query, version: string): Promise<BackupHead> {
  const [there] = await query<{ there: boolean }>(
    `select to_regclass('schema_migrations') is not null as there`,
  )
  const [level] = there?.there
    ? await query<{ level: number }>('select max(version) as level from schema_migrations')
    : []
  if (level?.level !== codeLevel)
    throw new AnchorageError(
      'invalid',
      `the database is at migration ${level?.level ?? 0}, and this version knows ${codeLevel}: use the anchorage that its nodes run`,
    )
  const [row] = await query<HeadRow>(
    `select cluster_id as "clusterId", epoch, coalesce(pg_sequence_last_value('placement_generation'), 0) as generation,
       now() as "takenAt" from cluster`,
  )
  if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
  return {
    format: 1,
    version,
    level: level.level,
    clusterId: row.clusterId,
    epoch: Number(row.epoch),
    generation: Number(row.generation),
    takenAt: row.takenAt.toISOString(),
  }
}

/** Counts the `rows` of each table on the way. */
async function* partsOf(
  client: pg.Client,
  head: BackupHead,
  tables: string[],
  rows: Record<string, number>,
): AsyncGenerator<BackupPart> {
  yield { kind: 'head', head }
  for (const table of tables) {
    const described = await client.query(
      `select column_name as name from information_schema.columns where table_schema = 'public' and table_name = $1 order by ordinal_position`,
      [table],
    )
    yield { kind: 'table', table, columns: described.rows.map((column) => column.name) }
    let n = 0
    await client.query(`declare page no scroll cursor for select to_json(t)::text as line from ${table} t`)
    for (;;) {
      const page = await client.query(`fetch ${pageRows} from page`)
      if (page.rows.length === 0) break
      n += page.rows.length
      yield { kind: 'rows', lines: page.rows.map((row) => row.line) }
    }
    await client.query('close page')
    rows[table] = n
  }
  yield { kind: 'end', rows }
}
