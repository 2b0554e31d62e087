// A Postgres of its own: roles are changed here, and all databases of a server share them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import { ownPostgres } from '../../testing/servers/own-postgres.ts'
import { silentLog } from '../core/silent-log.ts'
import { openDatabase } from './database.ts'
import { migrateUp } from './migrate.ts'
import { roleSettings } from './role-settings.ts'
import { openStore } from './store.ts'

const undo = new AsyncDisposableStack()
const owner = { url: '', client: new pg.Client() }
let at = ''
const urls = (more: { tenant?: string; system?: string } = {}) => ({
  tenantUrl: `postgres://anchorage_tenant:t@${at}${more.tenant ?? ''}`,
  systemUrl: `postgres://anchorage_system:s@${at}${more.system ?? ''}`,
})
const migrate = () => migrateUp(owner.url, { tenant: 't', system: 's' }, { info() {} })

before(async () => {
  const postgres = undo.use(await ownPostgres())
  at = postgres.at
  owner.url = postgres.ownerUrl
  await migrate()
  owner.client = new pg.Client(owner.url)
  await owner.client.connect()
  undo.defer(() => owner.client.end())
})
after(() => undo.disposeAsync())

test('every session of a role has its settings, and migrate up restores them', async () => {
  await accepted(urls())
  for (const [role, settings] of Object.entries(roleSettings)) {
    const login = new pg.Client(role === 'anchorage_tenant' ? urls().tenantUrl : urls().systemUrl)
    await login.connect()
    const { rows } = await login.query(
      'select jsonb_object_agg(n, current_setting(n)) as shown from unnest($1::text[]) n',
      [Object.keys(settings)],
    )
    await login.end()
    assert.deepEqual(rows[0]?.shown, settings)
  }
  for (const role of Object.keys(roleSettings)) {
    await owner.client.query(`alter role ${role} reset all`)
    await refused(urls(), /run: anchorage migrate up$/)
    await owner.client.query(`alter role ${role} set lock_timeout = '1h'`)
    await refused(urls(), /lock_timeout = 1h.*run: anchorage migrate up$/)
    await migrate()
    await accepted(urls())
  }
})

test('a URL can neither change a setting nor give it in place of the role', async () => {
  const inUrl: [more: string, mend: RegExp][] = [
    ['?options=-c%20statement_timeout%3D0', /remove statement_timeout from database\.(url|systemUrl)/],
    [
      '?options=-c%20synchronous_commit%3Doff%20-c%20jit%3Don',
      /remove jit from.*remove synchronous_commit from/,
    ],
    ['?options=-c%20enable_seqscan%3Don', /remove enable_seqscan from/],
    [
      '?options=-c%20default_transaction_isolation%3Dserializable',
      /remove default_transaction_isolation from/,
    ],
    ['?statement_timeout=60000', /remove statement_timeout from/],
    ['?lock_timeout=1', /remove lock_timeout from/],
    ['?idle_in_transaction_session_timeout=86400000', /remove idle_in_transaction_session_timeout from/],
    // the same value as the role's, so a request would not notice; but the URL may change tomorrow
    ['?statement_timeout=15000', /remove statement_timeout from/],
  ]
  for (const [more, mend] of inUrl) {
    await refused(urls({ tenant: more }), mend)
    await refused(urls({ system: more }), mend)
  }
  await refused(urls({ system: '?options=-c%20plan_cache_mode%3Dauto' }), /remove plan_cache_mode from/)
  await accepted(urls({ tenant: '?options=-c%20search_path%3Dpublic', system: '?application_name=mine' }))
  process.env['PGOPTIONS'] = '-c statement_timeout=0'
  try {
    await refused(urls(), /remove statement_timeout from .*PGOPTIONS/)
  } finally {
    delete process.env['PGOPTIONS']
  }
})

test('a setting of the role for this database alone counts, and is named when it is wrong', async () => {
  for (const role of Object.keys(roleSettings)) {
    await owner.client.query(`alter role ${role} in database app set statement_timeout = 0`)
    await refused(urls(), new RegExp(`alter role ${role} in database app reset statement_timeout$`))
    await owner.client.query(`alter role ${role} in database app set statement_timeout = '15s'`)
    await accepted(urls())
    await owner.client.query(`alter role ${role} in database app set synchronous_commit = remote_apply`)
    await accepted(urls())
    await owner.client.query(`alter role ${role} in database app reset all`)
  }
})

test('a login that is a member of the role needs settings of its own, and the error says how', async () => {
  await owner.client.query(`create role app_login login password 'l' in role anchorage_tenant`)
  const member = { ...urls(), tenantUrl: `postgres://app_login:l@${at}` }
  const said = await refused(member, /members do not inherit settings/)
  for (const [, statement = ''] of said.matchAll(/as the owner: (alter role app_login set [^;]+)/g))
    await owner.client.query(statement)
  await accepted(member)
})

test('a new connection whose settings differ serves no request, until they are right again', async () => {
  await using db = openDatabase({ ...urls(), log: silentLog })
  const org = mintId('org')
  const ask = () => db.org(org, (tx) => tx.query('select 1'))
  await ask()
  await owner.client.query('alter role anchorage_tenant in database app set statement_timeout = 0')
  const login = new pg.Client(urls().tenantUrl)
  await login.connect()
  await login.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where usename = current_user and pid <> pg_backend_pid()`)
  await login.end()
  await assert.rejects(
    ask(),
    (error) => isCode(error, 'unavailable') && /statement_timeout/.test(error.message),
  )
  await db.statement.query('select 1')
  await owner.client.query('alter role anchorage_tenant in database app reset all')
  await ask()
})

async function accepted(logins: { tenantUrl: string; systemUrl: string }): Promise<void> {
  await using store = openStore({ ...logins, log: silentLog })
  await store.nodes.assertReady()
  await store.nodes.proveWrites()
}

/** Asserts that the logins are refused at boot; returns the message. */
async function refused(logins: { tenantUrl: string; systemUrl: string }, mend: RegExp): Promise<string> {
  await using store = openStore({ ...logins, log: silentLog })
  const error = await store.nodes.assertReady().then(
    () => assert.fail(`accepted, where ${mend} was due`),
    (reason: unknown) => reason,
  )
  assert.ok(isCode(error, 'invalid'), String(error))
  assert.match(error.message, mend)
  return error.message
}
