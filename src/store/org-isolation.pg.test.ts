import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import pg from 'pg'
import {
  asOwnerOf,
  isolationBreaches,
  type Roles,
  type TwoOrgs,
} from '../../testing/database/org-isolation.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId } from '../core/ids.ts'
import { openStore, type Store } from './store.ts'
import { silentLog } from '../core/silent-log.ts'

let database: TestDatabase
let store: Store
let roles: Roles
let two: TwoOrgs

before(async () => {
  database = await testDatabase()
  store = openStore({ ...database, log: silentLog })
  const { tenantUrl, systemUrl, ownerUrl } = database
  const [tenant, system, owner] = await Promise.all([tenantUrl, systemUrl, ownerUrl].map(connect))
  assert.ok(tenant && system && owner)
  roles = { tenant, system, owner }
  const keyId = mintId('key')
  await store.tokens.rotateKey({ id: keyId, wrapped: randomBytes(40), state: 'active' })
  const node = await store.nodes.boot('node-1')
  const [ours, theirs] = [await fill('ours', '1'), await fill('theirs', '2')]
  two = { orgs: [ours.org, theirs.org], users: [ours.user, theirs.user] }

  /** An org with at least one row in every table that orgs have rows in. */
  async function fill(slug: string, number: string): Promise<{ org: string; user: string }> {
    const { id: orgId } = await store.orgDirectory.createOrg(slug, { limits: { maxBytes: 1_000 } }, 'test')
    const cid = `of-${number}`
    const actor = mintId('tok')
    const pin = { id: mintId('pin'), cid, cidText: cid, name: 'n', meta: { k: 'v' }, replicas: 1, actor }
    await store.pins.acceptPins(orgId, [{ ...pin, nodes: [node.nodeId] }], false)
    const [claim] = await store.placements.claim(node, await store.placements.due(node, 9, 9), 30_000)
    assert.ok(claim)
    const outcome = { kind: 'pinned' as const, blocks: 1, bytes: 10, foreignPin: false }
    await store.placements.finish(node, [{ ...claim, outcome }])
    await store.pins.acceptPins(
      orgId,
      [{ ...pin, id: mintId('pin'), cid: `way-${number}`, nodes: [node.nodeId] }],
      false,
    )
    const [arriving] = await store.placements.claim(node, await store.placements.due(node, 9, 9), 30_000)
    assert.ok(arriving)
    await store.placements.extend(node, [{ ...arriving, blocks: 1, bytes: 1 }], 30_000)
    const [expiresAt, scopes] = [new Date('2099-01-01'), ['pins:read' as const]]
    await store.tokens.insertToken({ id: actor, orgId, keyId, name: 't', scopes, expiresAt, createdBy: null })
    return { org: uuidOf(orgId), user: await member(orgId, slug) }
  }
})
after(async () => {
  for (const client of Object.values(roles)) await client.end()
  await store[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

test('each table and each function with more rights has a decision, and no role reaches more or less than was decided', async () => {
  assert.deepEqual(await isolationBreaches(roles, two), [])
  await store.nodes.assertReady()
})

test('each policy that is dropped or widened, and each other way to loosen the isolation of orgs, is noticed', async () => {
  const blind: string[] = []
  const unseen: string[] = []
  for (const [loosen, restore, boot] of await loosenings()) {
    await run(loosen)
    if ((await isolationBreaches(roles, two)).length === 0) blind.push(loosen.sql)
    const refused = await store.nodes.assertReady().then(
      () => false,
      (error: unknown) => isCode(error, 'invalid'),
    )
    if (boot && !refused) unseen.push(loosen.sql)
    await run(restore)
  }
  assert.deepEqual(blind, [])
  assert.deepEqual(unseen, [], 'what a node must refuse to boot with')
  assert.deepEqual(await isolationBreaches(roles, two), [])
  await store.nodes.assertReady()
})

/** A statement, and the table or function whose owner may run it. */
interface Change {
  sql: string
  of: string
}

/** Ways to loosen the isolation of orgs, each with its undo and whether a node must notice it when it boots. */
async function loosenings(): Promise<[loosen: Change, restore: Change, boot: boolean][]> {
  const policies = await roles.owner.query<{
    name: string
    of: string
    tenant: boolean
    kind: string
    qual: string | null
    checked: string | null
  }>(
    `select policyname as name, tablename as of, roles = '{anchorage_tenant}' as tenant,
       format('for %s to %s', cmd, array_to_string(roles, ', ')) as kind, qual, with_check as checked
     from pg_policies order by tablename, policyname`,
  )
  assert.ok(policies.rows.length > 15)
  const ofPolicies = policies.rows.flatMap(({ name, of, tenant, kind, qual, checked }) => {
    const drop = `drop policy ${name} on ${of}`
    const make = (using: string | null, check: string | null): string =>
      `create policy ${name} on ${of} ${kind}${using === null ? '' : ` using (${using})`}${check === null ? '' : ` with check (${check})`}`
    const change = (sql: string): Change => ({ sql, of })
    const back = change(`${drop}; ${make(qual, checked)}`)
    // lets in as much as `true` in the scope of any org, although it names the org
    const wide = 'current_org() is not null'
    const widened = [
      ...(qual === null ? [] : [make(wide, checked)]),
      ...(checked === null ? [] : [make(qual, wide)]),
    ].map((sql): [Change, Change, boolean] => [change(`${drop}; ${sql}`), back, true])
    // audit_log and orgs still have a policy when one of several is dropped; policies of the system do not apply to the tenant role
    const only = policies.rows.filter((row) => row.of === of && row.tenant).length === 1
    return [
      [change(drop), change(make(qual, checked)), tenant && only] satisfies [Change, Change, boolean],
      ...(tenant ? widened : []),
    ]
  })
  const tables = [...new Set(policies.rows.map((row) => row.of))].flatMap((of) =>
    [
      ['disable', 'enable'],
      ['no force', 'force'],
    ].map(([off, on]): [Change, Change, boolean] => [
      { sql: `alter table ${of} ${off} row level security`, of },
      { sql: `alter table ${of} ${on} row level security`, of },
      true,
    ]),
  )
  const functions = await roles.owner.query<{ of: string; back: string }>(
    `select oid::regprocedure::text as of from pg_proc where pronamespace = 'public'::regnamespace and prosecdef`,
  )
  const ofFunctions = functions.rows.flatMap(({ of }) =>
    [
      [`alter function ${of} reset search_path`, `alter function ${of} set search_path = public, pg_temp`],
      [`grant execute on function ${of} to public`, `revoke execute on function ${of} from public`],
    ].map(([off = '', on = '']): [Change, Change, boolean] => [{ sql: off, of }, { sql: on, of }, true]),
  )
  return [...ofPolicies, ...tables, ...ofFunctions, ...others, ofScope()]
}

/** Gives a scope to statements that have none. */
function ofScope(): [Change, Change, boolean] {
  const scope = `nullif(current_setting('anchorage.org_id', true), '')::uuid`
  const [loose, sound] = [`coalesce(${scope}, '${two.orgs[0]}')`, scope].map((returned) => ({
    sql: `create or replace function current_org() returns uuid language sql stable parallel safe return ${returned}`,
    of: '',
  }))
  assert.ok(loose && sound)
  return [loose, sound, true]
}

const others: [Change, Change, boolean][] = [
  [{ sql: 'create table notes (org_id uuid)', of: '' }, { sql: 'drop table notes', of: '' }, false],
  [
    { sql: 'create table notes (org_id uuid); grant select on notes to anchorage_tenant', of: '' },
    { sql: 'drop table notes', of: '' },
    true,
  ],
  [
    {
      sql: 'create view notes as select * from schema_migrations; grant select on notes to anchorage_tenant',
      of: '',
    },
    { sql: 'drop view notes', of: '' },
    true,
  ],
  [
    { sql: 'grant truncate on pins to anchorage_tenant', of: '' },
    { sql: 'revoke truncate on pins from anchorage_tenant', of: '' },
    false,
  ],
  [
    { sql: 'grant select (cid) on contents to anchorage_tenant', of: '' },
    { sql: 'revoke select (cid) on contents from anchorage_tenant', of: '' },
    true,
  ],
]

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  return client
}

async function run({ sql, of }: Change): Promise<void> {
  if (of === '') await roles.owner.query(sql)
  else await asOwnerOf(roles.owner, of, async () => void (await roles.owner.query(sql)))
}

async function member(orgId: OrgId, subject: string): Promise<string> {
  const claims = { issuer: 'https://idp', subject, name: subject, email: null, operator: false, roles: [] }
  const session = { id: mintId('ses'), hash: randomBytes(32), providerSid: null, idToken: '', maxAgeMs: 1000 }
  const done = await store.sessions.login(
    claims,
    { ...session, userAgent: null, address: null, network: null },
    null,
  )
  await store.orgs.setMember(orgId, done.session.user.id, 'owner', { name: 'test', owners: true })
  return uuidOf(done.session.user.id)
}
