import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { BackupHead, BackupPart } from '../core/backup.ts'
import { AnchorageError } from '../core/errors.ts'
import type { SigningKey } from '../core/token.ts'
import { assertRole } from './assert-ready.ts'
import { audit } from './audit.ts'
import { assertSums, backedUp } from './backup-tables.ts'
import { isBadData } from './errors.ts'
import { signingKeys } from './keys.ts'
import { leap, leapBeyond } from './marks.ts'
import { freshMs } from './node-rows.ts'
import { withLongTransaction } from './one-client.ts'
import type { Query } from './query.ts'

/** The database to restore into, and what the backup must fit. */
export interface RestoreTerms {
  systemUrl: string
  /** Throws for a signing key that this master key does not open. */
  proveKey: (key: SigningKey) => void
  /** The actor that the audit names. */
  actor: string
}

/**
 * Fills an empty database from a backup, all of it or nothing, in one transaction. Rejects with `conflict` when the database is not empty,
 * when a node is alive on it, or when the counts do not match the rows. Rejects with `invalid` when the backup is of another schema level
 * or another master key, or is not whole. `restoreId` is the mark that it leaves in the database.
 */
export async function restoreBackup(
  { systemUrl, proveKey, actor }: RestoreTerms,
  parts: AsyncIterable<BackupPart>,
  signal: AbortSignal,
): Promise<{ head: BackupHead; rows: Record<string, number>; restoreId: string }> {
  const login = { url: systemUrl, option: 'database.systemUrl', name: 'anchorage restore', signal }
  return withLongTransaction(login, 'begin', async (_client, query) => {
    await assertRole(query, 'anchorage_system')
    const { head, rows } = await fill(query, parts, proveKey)
    await assertSums(query)
    const restoreId = randomUUID()
    await settle(query, head, restoreId)
    const { takenAt, version } = head
    await audit(
      { scope: 'system', query },
      { actor, action: 'restore', target: 'cluster', details: { takenAt, version, restoreId } },
    )
    return { head, rows, restoreId }
  })
}

async function fill(query: Query, parts: AsyncIterable<BackupPart>, proveKey: RestoreTerms['proveKey']) {
  let head: BackupHead | null = null
  let into: string | null = null
  let table = ''
  const rows: Record<string, number> = {}
  for await (const part of parts) {
    switch (part.kind) {
      case 'head':
        head = part.head
        await assertLevel(query, head)
        // no node starts and no other restore runs while this one does
        await query('lock table nodes, orgs in share row exclusive mode')
        await assertEmpty(query)
        break
      case 'table':
        table = part.table
        into = insertInto(table, part.columns)
        rows[table] = 0
        break
      case 'rows':
        if (into === null) throw damaged('rows come before their table')
        await insert(query, into, part.lines)
        if (table === 'signing_keys') (await signingKeys({ scope: 'system', query })).forEach(proveKey)
        rows[table] = (rows[table] ?? 0) + part.lines.length
        break
      case 'end':
        if (head === null) throw damaged('it has no head')
        assertWhole(rows, part.rows)
        return { head, rows }
      default:
        part satisfies never
    }
  }
  throw damaged('its end is missing')
}

/** Inserts by column name: the order of columns may differ, and the database fills columns that the backup lacks. */
function insertInto(table: string, columns: string[]): string {
  if (!backedUp.some((known) => known === table)) throw damaged(`there is no table ${table}`)
  const names = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
  return `insert into ${table} (${names}) select ${names} from json_populate_recordset(null::${table}, $1)`
}

async function insert(query: Query, into: string, lines: string[]): Promise<void> {
  try {
    await query(into, [`[${lines.join(',')}]`])
  } catch (cause) {
    if (!isBadData(cause)) throw cause
    throw damaged(`the database refuses one of its rows: ${String(cause)}`, cause)
  }
}

function assertWhole(has: Record<string, number>, says: Record<string, number>): void {
  for (const table of new Set([...Object.keys(has), ...Object.keys(says)])) {
    if (has[table] === undefined || has[table] !== says[table])
      throw damaged(`it has ${has[table] ?? 'no'} rows of ${table}, but says that it has ${says[table]}`)
  }
}

async function assertLevel(query: Query, head: BackupHead): Promise<void> {
  const [there] = await query<{ there: boolean }>(
    `select to_regclass('schema_migrations') is not null as there`,
  )
  const [row] = there?.there
    ? await query<{ level: number | null }>('select max(version) as level from schema_migrations')
    : []
  const level = row?.level ?? 0
  if (level === head.level) return
  const mend =
    level < head.level
      ? 'run: anchorage migrate up'
      : `use the version of anchorage that made it (${head.version}): migrate up an empty database, ` +
        'restore, and then run migrate up of this version'
  throw new AnchorageError(
    'invalid',
    `the backup is of migration ${head.level} and the database is at ${level}; ${mend}`,
  )
}

async function assertEmpty(query: Query): Promise<void> {
  const alive = await query<{ name: string }>(
    `select name from nodes where last_seen > clock_timestamp() - make_interval(secs => $1 / 1000.0) order by name`,
    [freshMs],
  )
  if (alive.length > 0)
    throw new AnchorageError(
      'conflict',
      `${alive.map(({ name }) => name).join(', ')} uses this database: stop the nodes, and restore into a ` +
        'new database',
    )
  const full: string[] = []
  for (const table of backedUp) {
    const rows = await query(`select from ${table} limit 1`)
    if (rows.length > 0) full.push(table)
  }
  if (full.length > 0)
    throw new AnchorageError(
      'conflict',
      `there are already rows in ${full.join(', ')}: restore into a new database (createdb, anchorage migrate up) before any node uses it`,
    )
}

/**
 * Removes from a restored database what may no longer be true: which nodes are alive, which Kubo, data folder and settings a node has, and
 * claims of processes that may still run somewhere (the incarnations leap beyond them, which voids them). Unpins are put off by the age of
 * the backup, since no client could want the content again meanwhile. While the mark is there, reconcilers only report.
 */
async function settle(query: Query, head: BackupHead, restoreId: string): Promise<void> {
  await query('update cluster set cluster_id = $1, restore_id = $2, restored_at = clock_timestamp()', [
    head.clusterId,
    restoreId,
  ])
  await leapBeyond({ scope: 'system', query }, head)
  await query(
    `update nodes set incarnation = incarnation + $1::bigint, peer_id = null, route = null, report = null, reported_at = null,
       reconcile_confirmed_at = null, confirmed_restore = null, uncompared = true, folder_id = null, machine = null, settings = null`,
    [leap],
  )
  await query(
    'update contents set unpin_after = unpin_after + (clock_timestamp() - $1::timestamptz) where unpin_after is not null',
    [head.takenAt],
  )
  await query(`update plans set state = 'paused' where state = 'applying'`)
}

function damaged(why: string, cause?: unknown): AnchorageError {
  return new AnchorageError('invalid', `the backup is damaged: ${why}`, { cause })
}
