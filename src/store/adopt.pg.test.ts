import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { test } from 'node:test'
import pg from 'pg'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { WokenPlacement } from '../core/pin.ts'
import { silentLog } from '../core/silent-log.ts'
import { assertSums } from './backup-tables.ts'
import { codeLevel, migrateStatus, migrateUp } from './migrate.ts'
import { queryOf, withOneClient } from './one-client.ts'
import { proveSchema } from './prove-schema.ts'
import { openStore, type Store } from './store.ts'

const actor = mintId('tok')
/** The migrations of the version before. */
const before = new URL('../../testing/schema-before/', import.meta.url)
const lastBefore = 22

test('a database of the version before is taken over with all that it holds', async () => {
  await using old = await databaseBefore()
  const cids = ['one', 'two', 'three'].map((word) => `taken-${word}`)
  const org = await inStore(old, async (store) => {
    const { id } = await store.orgDirectory.createOrg('ours', { limits: { maxBytes: 1_000_000 } }, 'test')
    const node = await nodeBefore(old)
    for (const cid of cids) await pinned(store, id, node, cid)
    await accept(store, id, node, 'waits')
    await store.operator.drain(node.nodeId, 'test')
    return id
  })
  const rows = await rowsOf(old)

  await up(old)

  assertKept(rows, await rowsOf(old))
  assert.deepEqual(await functionsThereTwice(old), [])
  assert.deepEqual(await proveSchema(old.ownerUrl), [])
  const status = await migrateStatus(old.ownerUrl)
  assert.ok(status.every(({ state }) => state === 'applied'))
  assert.deepEqual(await up(old), [])
  await inStore(old, async (store) => {
    await store.nodes.assertReady()
    const page = await store.pins.listPins(org, { limit: 10 })
    assert.equal(page.count, cids.length + 1)
    await pinned(store, org, await store.nodes.boot('node-2'), 'after')
  })
  await sumsMatch(old)
})

test('a node of the version before starts and serves during the migration and after it', async () => {
  await using old = await databaseBefore()
  await inStore(old, async (store) => {
    const { id } = await store.orgDirectory.createOrg('busy', {}, 'test')
    const node = await nodeBefore(old)
    const over = new AbortController()
    let rounds = 0
    const serving = async (): Promise<void> => {
      while (!over.signal.aborted) await serveOnce(store, id, node, `busy-${++rounds}`)
    }
    const worker = serving()
    while (rounds < 3) await serveOnce(store, id, node, `warm-${++rounds}`)
    await up(old).finally(() => over.abort())
    await worker
    await serveOnce(store, id, node, 'after')
  })
  await sumsMatch(old)
  // What such a node asks when it starts: nothing is missing, and nothing asks for a newer one.
  const [level] = await asOwner(
    old,
    `select max(version) >= ${lastBefore} as reached, max(min_code) filter (where version > ${lastBefore}) <= ${lastBefore} as served
     from schema_migrations`,
  )
  assert.deepEqual(level, { reached: true, served: true })
})

test('the functions of the version before work on the tables of this version', async () => {
  await using old = await databaseBefore()
  const functions = await asOwner<{ name: string; owner: string; text: string }>(
    old,
    `select proname as name, proowner::regrole::text as owner, pg_get_functiondef(p.oid) as text from pg_proc p
     where pronamespace = 'public'::regnamespace and not exists (
       select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')`,
  )
  assert.ok(functions.length > 70)
  await up(old)
  for (const { owner, text } of functions)
    await asOwner(
      old,
      `begin; grant create on schema public to anchorage_system, anchorage_audit; set local role ${owner}; ${text}; commit`,
    )
  await inStore(old, async (store) => {
    const { id } = await store.orgDirectory.createOrg('mixed', { limits: { maxBytes: 1_000_000 } }, 'test')
    await serveOnce(store, id, await nodeBefore(old), 'mixed')
  })
  await sumsMatch(old)
  await up(old)
  assert.deepEqual(await proveSchema(old.ownerUrl), [])
})

test('a database at another migration is refused with what to do, and is left as it was', async () => {
  await using old = await databaseBefore(lastBefore - 1)
  await assert.rejects(
    up(old),
    (error) =>
      isCode(error, 'conflict') &&
      /at migration 21, .*run migrate up of the version before/.test(error.message),
  )
  assert.deepEqual(await asOwner(old, 'select count(*)::int as n from schema_migrations'), [
    { n: lastBefore - 1 },
  ])
})

test('a database whose tables differ is refused with each difference', async () => {
  await using old = await databaseBefore()
  await asOwner(old, 'alter table pins drop column shown_bytes')
  await assert.rejects(
    up(old),
    (error) => isCode(error, 'conflict') && error.message.endsWith(': missing: pins.shown_bytes is integer'),
  )
  await asOwner(old, 'alter table pins add column shown_bytes integer')
  await up(old)
  assert.equal((await migrateStatus(old.ownerUrl)).findLast(({ version }) => version)?.version, codeLevel)
})

/** A database as the version before made it, up to one of its migrations. */
async function databaseBefore(last = lastBefore): Promise<TestDatabase> {
  const database = await testDatabase()
  await asOwner(
    database,
    `drop schema public cascade; create schema public; grant usage on schema public to public;
     create table schema_migrations (version integer primary key, name text not null, checksum text not null,
       min_code integer not null, applied_at timestamptz not null default now());
     grant select on schema_migrations to anchorage_system;
     grant create on schema public to anchorage_system, anchorage_audit`,
  )
  for (const file of (await readdir(before))
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .slice(0, last)) {
    const text = await readFile(new URL(file, before), 'utf8')
    await asOwner(
      database,
      `begin; ${text}; insert into schema_migrations (version, name, checksum, min_code)
       values (${Number(file.slice(0, 4))}, '${file.replace('.sql', '')}', 'x', 1); commit`,
    )
  }
  await asOwner(
    database,
    'revoke create on schema public from anchorage_system; set role anchorage_system; select audit_extend()',
  )
  return database
}

/** A node, as one of the version before inserts it. */
async function nodeBefore(database: TestDatabase): Promise<NodeIdentity> {
  const nodeId = mintId('nod')
  await asOwner(database, `insert into nodes (id, name) values ('${uuidOf(nodeId)}', 'node-1')`)
  return { nodeId, incarnation: 1 }
}

/** Runs `migrate up`; returns what it logged. */
async function up({ ownerUrl, tenantUrl, systemUrl }: TestDatabase): Promise<string[]> {
  const said: string[] = []
  const passwords = { tenant: new URL(tenantUrl).password, system: new URL(systemUrl).password }
  await migrateUp(ownerUrl, passwords, { info: (_fields, message) => void said.push(message) })
  return said
}

async function inStore<T>(database: TestDatabase, work: (store: Store) => Promise<T>): Promise<T> {
  await using store = openStore({ ...database, log: silentLog, unpinGraceMs: 0 })
  return await work(store)
}

/** Everything that a pin meets: it is accepted, claimed, extended, finished, listed, replaced and removed. */
async function serveOnce(store: Store, org: OrgId, node: NodeIdentity, cid: string): Promise<void> {
  const pin = await pinned(store, org, node, cid)
  assert.equal((await store.pins.listPins(org, { limit: 1, cids: [cid] })).results[0]?.status, 'pinned')
  const next = { id: mintId('pin'), cid: `${cid}-next`, cidText: `${cid}-next`, replicas: 1, actor }
  await store.pins.replacePin(org, pin, { ...next, nodes: [node.nodeId] }, false)
  await store.pins.removePin(org, next.id, actor)
}

async function pinned(store: Store, org: OrgId, node: NodeIdentity, cid: string): Promise<PinId> {
  const { pin, woken } = await accept(store, org, node, cid)
  const [claim] = await store.placements.claim(node, woken, 30_000)
  assert.ok(claim)
  const { generation } = claim
  await store.placements.extend(node, [{ cid, generation, blocks: 1, bytes: 5 }], 30_000)
  await store.placements.finish(node, [
    { cid, generation, outcome: { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false } },
  ])
  assert.equal((await store.pins.getPin(org, pin)).status, 'pinned')
  return pin
}

/** The pin, and the hints that a node gets. A node of the version before reads what is due by other functions than this version. */
async function accept(
  store: Store,
  org: OrgId,
  node: NodeIdentity,
  cid: string,
): Promise<{ pin: PinId; woken: WokenPlacement[] }> {
  const pin = { id: mintId('pin'), cid, cidText: cid, replicas: 1, actor, nodes: [node.nodeId] }
  const [accepted] = await store.pins.acceptPins(org, [pin], false)
  assert.ok(accepted && 'pin' in accepted)
  return { pin: pin.id, woken: accepted.woken }
}

/** The counts of pins and bytes match the rows. */
async function sumsMatch({ systemUrl }: TestDatabase): Promise<void> {
  await withOneClient({ url: systemUrl, option: 'test', name: 'test' }, (client) =>
    assertSums(queryOf(client)),
  )
}

interface Row {
  row: Record<string, unknown>
}

/** All rows of all tables but those that record migrations and functions. */
async function rowsOf(database: TestDatabase): Promise<Record<string, Row[]>> {
  const tables = await asOwner<{ name: string }>(
    database,
    `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
       and not relispartition and relname not like 'schema\\_%' order by 1`,
  )
  const all: Record<string, Row[]> = {}
  for (const { name } of tables)
    all[name] = await asOwner(
      database,
      `set role anchorage_system; select to_jsonb(t) as row from ${name} t order by to_jsonb(t)::text`,
    )
  return all
}

/** All rows of `before` are in `after`, in the same order. Later migrations may have added tables and columns. */
function assertKept(before: Record<string, Row[]>, after: Record<string, Row[]>): void {
  for (const [table, rows] of Object.entries(before)) {
    const columns = Object.keys(rows[0]?.row ?? {})
    const kept = (after[table] ?? []).map(({ row }) => ({
      row: Object.fromEntries(columns.map((column) => [column, row[column]])),
    }))
    assert.deepEqual(kept, rows, table)
  }
}

/** Names that several functions have. A call without types could mean any of them. */
async function functionsThereTwice(database: TestDatabase): Promise<{ name: string }[]> {
  return asOwner(
    database,
    `select proname as name from pg_proc p where pronamespace = 'public'::regnamespace and not exists (
       select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
     group by proname having count(*) > 1`,
  )
}

async function asOwner<R extends pg.QueryResultRow>(database: TestDatabase, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  try {
    const result: pg.QueryResult<R> | pg.QueryResult<R>[] = await client.query(sql)
    return (Array.isArray(result) ? result.at(-1)?.rows : result.rows) ?? []
  } finally {
    await client.end()
  }
}
