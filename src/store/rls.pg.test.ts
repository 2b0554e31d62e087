import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId } from '../core/ids.ts'
import { openStore, type Store } from './store.ts'
import { silentLog } from '../core/silent-log.ts'

const actor = mintId('tok')
let database: TestDatabase
let store: Store
let tenant: pg.Client
let ours: OrgId
let theirs: OrgId

before(async () => {
  database = await testDatabase()
  store = openStore({ ...database, log: silentLog })
  const node = await store.nodes.boot('node-1')
  ours = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  theirs = (await store.orgDirectory.createOrg('theirs', {}, 'operator')).id
  for (const org of [ours, theirs])
    await store.pins.acceptPins(
      org,
      [
        {
          id: mintId('pin'),
          cid: `of-${org}`,
          cidText: `of-${org}`,
          name: 'n',
          meta: { k: 'v' },
          replicas: 1,
          actor,
          nodes: [node.nodeId],
        },
      ],
      false,
    )
  tenant = new pg.Client({ connectionString: database.tenantUrl })
  await tenant.connect()
})
after(async () => {
  await tenant.end()
  await store[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

test('in the scope of an org the tenant role sees only that org, and changes nothing of another', async () => {
  const other = uuidOf(theirs)
  await scoped(ours, async () => {
    for (const table of ['pins', 'pin_meta', 'pin_counts', 'audit_log']) {
      const { rows } = await tenant.query(`select distinct org_id from ${table}`)
      assert.deepEqual(rows, [{ org_id: uuidOf(ours) }], table)
    }
    assert.equal((await tenant.query('select from orgs')).rowCount, 1)
    assert.equal(
      (await tenant.query('update pins set name = $1 where org_id = $2', ['x', other])).rowCount,
      0,
    )
    assert.equal((await tenant.query('delete from pins where org_id = $1', [other])).rowCount, 0)
    assert.equal((await tenant.query('update orgs set last_seq = 0 where id = $1', [other])).rowCount, 0)
    assert.equal((await tenant.query('select from pin_details($1)', [[`of-${theirs}`]])).rowCount, 0)
  })
  for (const [sql, params] of [
    [
      `insert into pins (org_id, id, seq, cid, replicas, status, created, accepted_at) values ($1, gen_random_uuid(), 9, $2, 1, 'queued', now(), now())`,
      [other, `of-${ours}`],
    ],
    [`update pins set org_id = $1`, [other]],
    [
      `insert into audit_log (id, org_id, actor, action, target) values (gen_random_uuid(), $1, 'x', 'x', 'x')`,
      [other],
    ],
    [`update orgs set max_pins = 1`, []],
    [`update audit_log set actor = 'x'`, []],
    [`delete from audit_log`, []],
    [`select claim_placements(gen_random_uuid(), 1, 1, '[]')`, []],
    [`select is_wanted('x')`, []],
    [`select apply_repairs('1', '[]')`, []],
    [`select start_moves('1', gen_random_uuid(), '[]')`, []],
    [`select empty_node(gen_random_uuid(), 0, true, '', 1)`, []],
    [`select close_nodes()`, []],
    [`set role anchorage_system`, []],
  ] as const)
    await assert.rejects(
      scoped(ours, () => tenant.query(sql, [...params])),
      { code: '42501' },
      sql,
    )
})

test('only the role that owns the audit log can change or drop its lines', async () => {
  for (const url of [database.systemUrl, database.tenantUrl]) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      for (const sql of [
        `update audit_log set actor = 'x'`,
        'delete from audit_log',
        'truncate audit_log',
        'drop table audit_log',
        'drop table audit_log_rest',
      ])
        await assert.rejects(client.query(sql), { code: '42501' }, sql)
    } finally {
      await client.end()
    }
  }
})

test('a wrong schema or login is refused, with what to do', async () => {
  const owner = new pg.Client({ connectionString: database.ownerUrl })
  await owner.connect()
  const refuses = async (
    mend: RegExp,
    urls: Partial<Pick<TestDatabase, 'tenantUrl' | 'systemUrl'>> = {},
  ): Promise<void> => {
    await using broken = openStore({ ...database, ...urls, log: silentLog })
    await assert.rejects(
      broken.nodes.assertReady(),
      (error) => isCode(error, 'invalid') && mend.test(error.message),
    )
  }
  try {
    await store.nodes.assertReady()
    await owner.query('alter table pins no force row level security')
    await refuses(/not forced on pins/)
    await owner.query('alter table pins force row level security')
    await owner.query('drop policy own_rows on pin_meta')
    await refuses(/no policy lets requests reach pin_meta/)
    await owner.query('create policy own_rows on pin_meta using (org_id = current_org())')
    await owner.query(
      'delete from schema_migrations where version = (select max(version) from schema_migrations)',
    )
    await refuses(/anchorage migrate up/)
    await owner.query(
      `insert into schema_migrations (version, name, checksum, min_code) values (9999, 'future', 'x', 9999)`,
    )
    await refuses(/upgrade anchorage/)
    await refuses(/log in as anchorage_tenant/, { tenantUrl: database.systemUrl })
    await refuses(/log in as anchorage_system/, { systemUrl: database.tenantUrl })
    await refuses(/log in as anchorage_tenant/, { tenantUrl: database.ownerUrl })
  } finally {
    await owner.end()
  }
})

async function scoped<T>(org: OrgId, work: () => Promise<T>): Promise<T> {
  await tenant.query('begin')
  try {
    await tenant.query(`select set_config('anchorage.org_id', $1, true)`, [uuidOf(org)])
    const result = await work()
    await tenant.query('commit')
    return result
  } catch (error) {
    await tenant.query('rollback')
    throw error
  }
}
