// A Postgres of its own: a superuser changes roles here, and all databases of a server share them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { ownPostgres } from '../../testing/servers/own-postgres.ts'
import { silentLog } from '../core/silent-log.ts'
import { mintId } from '../core/ids.ts'
import { migrateUp } from './migrate.ts'
import { proveSchema } from './prove-schema.ts'
import { openStore } from './store.ts'

const undo = new AsyncDisposableStack()
let at: string
let ownerUrl: string
let admin: pg.Client
const prove = () => proveSchema(ownerUrl)

/** Runs `migrate up`; returns what it mended, and what is still wrong. */
async function migrate() {
  const mended: string[] = []
  const info = (fields: { mended?: string[] }) => void mended.push(...(fields.mended ?? []))
  await migrateUp(ownerUrl, { tenant: 't', system: 's' }, { info })
  return { mended, wrong: await prove() }
}

before(async () => {
  const postgres = undo.use(await ownPostgres())
  ;({ at, ownerUrl } = postgres)
  await migrate()
  admin = new pg.Client(postgres.adminUrl)
  await admin.connect()
  undo.defer(() => admin.end())
})
after(() => undo.disposeAsync())

const nothing = { mended: [], wrong: [] }

test('a migrated database is as the migrations make it, and the check leaves nothing behind', async () => {
  const inside = `select oid, relname, relnamespace::regnamespace::text as schema from pg_class
    where relnamespace::regnamespace::text !~ '^(pg_|information_schema)' order by oid`
  const { rows: was } = await admin.query(inside)
  assert.deepEqual(await prove(), [])
  assert.deepEqual(await migrate(), nothing)
  assert.deepEqual((await admin.query(inside)).rows, was)
})

/** Changes of what the migrations made, each with the line that reports it. */
const changes: [what: RegExp, sql: string][] = [
  [/^missing: anchorage_tenant may insert on pins$/, 'revoke insert on pins from anchorage_tenant'],
  [
    /^missing: anchorage_tenant may update \(last_seq\) on orgs$/,
    'revoke update (last_seq) on orgs from anchorage_tenant',
  ],
  [
    /^missing: anchorage_system may usage on placement_generation$/,
    'revoke usage on sequence placement_generation from anchorage_system',
  ],
  [
    /^missing: anchorage_tenant may execute on lock_contents\(text\[\]\)$/,
    'revoke execute on function lock_contents(text[]) from anchorage_tenant',
  ],
  [/^too much: public may execute on able_nodes\(\)$/, 'grant execute on function able_nodes() to public'],
  [/^too much: anchorage_tenant may delete on nodes$/, 'grant delete on nodes to anchorage_tenant'],
  [/^missing: row-level security is forced on pin_meta$/, 'alter table pin_meta no force row level security'],
  [/^missing: policy own_rows on pins as PERMISSIVE/, 'drop policy own_rows on pins'],
  [/^too much: policy own_org on orgs .* using \(true\)$/, 'alter policy own_org on orgs using (true)'],
  [/^too much: policy backdoor on pins/, 'create policy backdoor on pins to anchorage_tenant using (true)'],
  [/^missing: policy own_drops on audit_log/, 'drop policy own_drops on audit_log'],
  [
    /^missing: function is_wanted\(text\) as in its file$/,
    `create or replace function is_wanted(of_cid text) returns boolean language sql stable as 'select true'`,
  ],
  [
    /^missing: function revoke_own_tokens\(uuid\[\]\) as in its file$/,
    'alter function revoke_own_tokens(uuid[]) reset search_path',
  ],
  [
    /^missing: function able_nodes\(\) belongs to anchorage_system$/,
    'alter function able_nodes() owner to owner',
  ],
  [/^missing: table audit_log belongs to anchorage_audit$/, 'alter table audit_log owner to owner'],
  [
    /^too much: table audit_log_\d{6} belongs to owner$/,
    `do $$ begin execute format('alter table %I owner to owner', (
     select relname from pg_class where relname ~ '^audit_log_[0-9]{6}$' order by relname limit 1)); end $$`,
  ],
  [/^missing: trigger token_revoked is enabled/, 'drop trigger token_revoked on api_tokens'],
  [
    /^missing: trigger token_denied is enabled \(O\)/,
    'alter table token_denylist disable trigger token_denied',
  ],
]

test('each grant, policy, owner, trigger and function that was changed is reported and mended', async () => {
  for (const [, sql] of changes) await admin.query(sql)
  const wrong = await prove()
  for (const [what, sql] of changes) assert.ok(wrong.filter((line) => what.test(line)).length === 1, sql)
  const { mended, wrong: left } = await migrate()
  assert.deepEqual(left, [])
  assert.deepEqual(mended.toSorted(), wrong.toSorted())
  assert.deepEqual(await migrate(), nothing)
})

test('a dump that was restored without its roles is reported, and serves again after migrate up', async () => {
  const ours = 'anchorage_tenant, anchorage_system, anchorage_audit'
  await admin.query(`reassign owned by ${ours} to owner; drop owned by ${ours}; drop role ${ours}`)
  const wrong = await prove()
  for (const line of [
    'missing: the role anchorage_audit',
    'missing: anchorage_tenant may insert on pins',
    'missing: table audit_log belongs to anchorage_audit',
  ])
    assert.ok(wrong.includes(line), line)
  const { mended, wrong: left } = await migrate()
  assert.deepEqual(left, [])
  assert.ok(mended.length > 100, mended.join('\n'))
  assert.deepEqual(await prove(), [])
  await using store = openStore({
    tenantUrl: `postgres://anchorage_tenant:t@${at}`,
    systemUrl: `postgres://anchorage_system:s@${at}`,
    log: silentLog,
  })
  await store.nodes.assertReady()
  const node = await store.nodes.boot('node-1')
  const org = await store.orgDirectory.createOrg('acme', {}, 'test')
  const pin = {
    id: mintId('pin'),
    cid: 'c',
    cidText: 'c',
    replicas: 1,
    actor: mintId('tok'),
    nodes: [node.nodeId],
  }
  const [accepted] = await store.pins.acceptPins(org.id, [pin], false)
  assert.ok(accepted && 'pin' in accepted)
})

test('a difference that cannot be mended while nodes work is reported, and stays', async () => {
  await admin.query('drop index pins_by_content; alter table pins drop column shown_bytes')
  const { mended, wrong } = await migrate()
  assert.deepEqual(mended, [])
  assert.deepEqual(wrong, [
    'missing: CREATE INDEX pins_by_content ON public.pins USING btree (cid, org_id, seq)',
    'missing: pins.shown_bytes is integer',
  ])
  await admin.query(
    'create index pins_by_content on pins (cid, org_id, seq); alter table pins add column shown_bytes integer',
  )
  assert.deepEqual(await prove(), [])
})

test('a role that has too many rights, no login or a missing setting is reported', async () => {
  await admin.query(`alter role anchorage_system superuser; alter role anchorage_tenant nologin;
    alter role anchorage_tenant reset lock_timeout`)
  assert.deepEqual(await prove(), [
    'missing: anchorage_tenant may log in',
    'missing: anchorage_tenant has lock_timeout = 10s',
    'too much: anchorage_system bypasses row-level security',
  ])
  await admin.query('alter role anchorage_system nosuperuser')
  assert.deepEqual(await migrate(), nothing)
})

test('a schema with another owner is reported, and migrate up continues without comparing it', async () => {
  await admin.query(
    'alter schema public owner to admin; grant all on schema public to owner with grant option',
  )
  const told = [
    'not checked: tables and grants, since the schema public belongs to admin; as admin: alter schema public owner to owner',
  ]
  assert.deepEqual(await migrate(), { mended: [], wrong: told })
  await admin.query('alter schema public owner to pg_database_owner')
  assert.deepEqual(await migrate(), nothing)
})

test('objects that are not ours are left alone', async () => {
  await admin.query(`create table theirs (x int); grant select on theirs to anchorage_tenant;
    create role visitor; grant select on pins to visitor;
    create function mine() returns int language sql as 'select 1'; create index also on pins (org_id, accepted_at)`)
  assert.deepEqual(await migrate(), nothing)
  const { rows } = await admin.query(
    `select has_table_privilege('anchorage_tenant', 'theirs', 'select') and has_table_privilege('visitor', 'pins', 'select') as may`,
  )
  assert.equal(rows[0]?.may, true)
  await admin.query('drop table theirs; drop function mine(); drop index also')
})

test('a database that lacks a migration, or has one of newer code, is not compared', async () => {
  await admin.query('revoke insert on pins from anchorage_tenant')
  await admin.query('create table kept as select * from schema_migrations')
  await admin.query(
    `insert into schema_migrations (version, name, checksum, min_code) values (9999, 'future', 'x', 1)`,
  )
  assert.deepEqual(await migrate(), nothing)
  await admin.query('delete from schema_migrations where version >= (select max(version) from kept)')
  assert.deepEqual(await prove(), [])
  await admin.query(
    'truncate schema_migrations; insert into schema_migrations select * from kept; drop table kept',
  )
  assert.equal((await migrate()).mended.length, 1)
})
