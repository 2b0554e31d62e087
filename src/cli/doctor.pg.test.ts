import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import type { Finding } from './doctor/finding.ts'
import { main } from './main.ts'

let database: TestDatabase
before(async () => {
  database = await testDatabase()
})
after(() => database[Symbol.asyncDispose]())

test('a sound database is ok in every check except durability, which is off in tests', async () => {
  const found = await postgres()
  assert.deepEqual(statesOf(found), {
    postgres: 'ok',
    'postgres settings': 'fail',
    clock: 'ok',
    'postgres system': 'ok',
    'postgres way': 'ok',
    'postgres schema': 'ok',
    'master key': 'ok',
    'node name': 'ok',
    'postgres tenant': 'ok',
    'postgres tenant way': 'ok',
    'postgres orgs': 'ok',
    'postgres files': 'ok',
  })
  assert.match(of(found, 'postgres settings').advice ?? '', /fsync = on, full_page_writes = on/)
  assert.match(of(found, 'postgres way').says, /^directly; a commit took \d+ms$/)
})

test('swapped logins are both refused, with the role that each should have', async () => {
  const found = await postgres({
    ANCHORAGE_DATABASE_URL: database.systemUrl,
    ANCHORAGE_DATABASE_SYSTEM_URL: database.tenantUrl,
  })
  assert.match(of(found, 'postgres tenant').says, /database\.url .*log in as anchorage_tenant/)
  assert.match(of(found, 'postgres system').says, /database\.systemUrl .*log in as anchorage_system/)
})

test('a wrong password and an absent Postgres get different messages, and no password is shown', async () => {
  const wrong = new URL(database.systemUrl)
  wrong.password = 'pa55word'
  const found = await postgres({
    ANCHORAGE_DATABASE_SYSTEM_URL: wrong.href,
    ANCHORAGE_DATABASE_URL: 'postgres://anchorage_tenant:pa55word@127.0.0.1:1/a',
  })
  assert.match(of(found, 'postgres').says, /password authentication failed/)
  assert.match(of(found, 'postgres tenant').says, /ECONNREFUSED/)
  assert.match(of(found, 'postgres').says, /run: anchorage migrate up; otherwise correct the password/)
  assert.match(of(found, 'postgres tenant').advice ?? '', /check that Postgres runs there/)
  assert.doesNotMatch(JSON.stringify(found), /pa55word/)
})

test('a missing database is reported as one to create', async () => {
  const nowhere = new URL(database.systemUrl)
  nowhere.pathname = '/nowhere'
  const found = of(await postgres({ ANCHORAGE_DATABASE_SYSTEM_URL: nowhere.href }), 'postgres')
  assert.equal(found.state, 'fail')
  assert.match(found.says, /database "nowhere" does not exist; create the database/)
})

test('a read-only database fails, by its settings and by a commit that is tried', async () => {
  const name = new URL(database.ownerUrl).pathname.slice(1)
  await asOwner(`alter database ${name} set default_transaction_read_only = on`)
  const found = await postgres()
  await asOwner(`alter database ${name} reset default_transaction_read_only`)
  assert.match(of(found, 'postgres').says, /takes no writes/)
  assert.equal(of(found, 'postgres way').state, 'fail')
})

test('a login fails when its sessions run with other settings than its role has', async () => {
  const url = new URL(database.systemUrl)
  url.searchParams.set('options', '-c enable_seqscan=on')
  const found = await postgres({ ANCHORAGE_DATABASE_SYSTEM_URL: url.href })
  assert.equal(of(found, 'postgres system').state, 'fail')
  assert.match(
    of(found, 'postgres system').says,
    /enable_seqscan = on, .*remove enable_seqscan from database\.systemUrl/,
  )
})

test('a table without row-level security that requests can reach fails the check of orgs', async () => {
  await asOwner('create table loose (x int); grant select on loose to anchorage_tenant')
  const isolation = of(await postgres(), 'postgres orgs')
  await asOwner('drop table loose')
  assert.equal(isolation.state, 'fail')
  assert.match(isolation.says, /not forced on loose/)
})

test('an outdated schema and a changed migration are reported with what to do', async () => {
  await asOwner(`update schema_migrations set checksum = 'other' where version = 101`)
  const drifted = of(await postgres(), 'postgres files')
  assert.match(drifted.says, /changed after they were applied: 0101_orgs/)
  await asOwner('delete from schema_migrations where version > 101')
  const behind = of(await postgres(), 'postgres schema')
  assert.equal(behind.state, 'fail')
  assert.match(behind.says, /at migration 101.*anchorage migrate up/)
})

test('as text, each finding is a line with its advice below; with an unreadable config there are no other findings', async () => {
  let stdout = ''
  const io = { out: (text: string) => (stdout += text), err: assert.fail, terminal: null }
  const env = { ANCHORAGE_PIN_MAX_AGE: 'long', ANCHORAGE_NATS_URL: 'x' }
  assert.equal(await main(['doctor'], { ...io, env, signal: new AbortController().signal }), 1)
  assert.match(
    stdout,
    /^FAIL {2}config {15}ANCHORAGE_\w+: expected [^\n]+\nFAIL {2}config {15}ANCHORAGE_\w+: expected [^\n]+\n$/,
  )
  stdout = ''
  const without = { ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0', ANCHORAGE_KUBO_RPC: 'http://127.0.0.1:1' }
  assert.equal(await main(['doctor'], { ...io, env: without, signal: new AbortController().signal }), 1)
  assert.match(stdout, /^FAIL {2}config +database\.url is not set: give ANCHORAGE_DATABASE_URL/m)
  assert.match(stdout, /^skip {2}postgres +its logins cannot be used; see the check config$/m)
  assert.match(stdout, /^FAIL {2}kubo [^\n]+\n {27}→ start it, or set kubo\.rpc/m)
})

/** The findings of `anchorage doctor` about Postgres, while NATS and Kubo are unreachable. */
async function postgres(env: Record<string, string> = {}): Promise<Finding[]> {
  let stdout = ''
  const code = await main(['doctor', '--json'], {
    env: {
      ANCHORAGE_DATABASE_URL: database.tenantUrl,
      ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
      ANCHORAGE_DATABASE_OWNER_URL: database.ownerUrl,
      ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0',
      ANCHORAGE_NATS_URL: 'nats://127.0.0.1:1',
      ANCHORAGE_KUBO_RPC: 'http://127.0.0.1:1',
      ...env,
    },
    out: (text) => (stdout += text),
    err: () => {},
    terminal: null,
    signal: new AbortController().signal,
  })
  const said: { ok: boolean; findings: Finding[] } = JSON.parse(stdout)
  assert.deepEqual([code, said.ok], [1, false])
  for (const check of ['nats', 'kubo']) {
    const away = of(said.findings, check)
    assert.equal(away.state, 'fail')
    assert.notEqual(away.advice, null)
  }
  return said.findings.filter(({ check }) => /^(postgres|clock|master key|node name)/.test(check))
}

function of(found: Finding[], check: string): Finding {
  return found.find((finding) => finding.check === check) ?? assert.fail(`nothing said of ${check}`)
}

function statesOf(found: Finding[]): Record<string, string> {
  return Object.fromEntries(found.map(({ check, state }) => [check, state]))
}

async function asOwner(sql: string): Promise<void> {
  const client = new Client({ connectionString: database.ownerUrl })
  await client.connect()
  try {
    await client.query('set default_transaction_read_only = off')
    await client.query(sql)
  } finally {
    await client.end()
  }
}
