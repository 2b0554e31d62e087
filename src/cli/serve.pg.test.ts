import assert from 'node:assert/strict'
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { apiOf } from '../../testing/clients/api.ts'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import { freePort } from '../dev/free-port.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { main } from './main.ts'

let database: TestDatabase
let dir: string
before(async () => {
  database = await testDatabase()
  dir = await mkdtemp(join(tmpdir(), 'anchorage-serve-'))
})
after(async () => {
  await database[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

test('a node serves while NATS and Kubo are unreachable, says that it is degraded and why, and stops cleanly at SIGTERM', async () => {
  const port = await freePort()
  const { child, stderr } = serve({ ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}` })
  const ready = await untilAnswered(`http://127.0.0.1:${port}/v1/ready`, child)
  assert.equal(ready.status, 200)
  const { status, reasons } = (await ready.json()) as {
    status: string
    reasons: { what: string; reason: string }[]
  }
  assert.equal(status, 'degraded')
  assert.deepEqual(reasons.map(({ what }) => what).toSorted(), ['kubo', 'nats'])
  assert.ok(reasons.every(({ reason }) => reason.length > 10))
  child.kill('SIGTERM')
  const [code, signal] = await once(child, 'exit')
  const said = await stderr
  assert.deepEqual([code, signal], [0, null], said)
  for (const line of said.trimEnd().split('\n')) assert.equal(typeof JSON.parse(line).level, 'string')
  assert.doesNotMatch(said, /"stack"/)
  const secrets = [database.tenantUrl, database.systemUrl, masterKey].map((each) =>
    each.replace(/.*:\/\/[^:]*:|@.*/g, ''),
  )
  assert.deepEqual(
    secrets.filter((secret) => said.includes(secret)),
    [],
  )
})

test('an uncaught error is logged in full, and ends the node like a signal', async () => {
  const port = await freePort()
  const throws = `process.on('SIGUSR2', () => { throw new Error('out of nowhere') })`
  const { child, stderr } = serve({
    ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}`,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(throws)}`,
  })
  assert.equal((await untilAnswered(`http://127.0.0.1:${port}/v1/ready`, child)).status, 200)
  child.kill('SIGUSR2')
  const [code, signal] = await once(child, 'exit')
  const said = await stderr
  assert.deepEqual([code, signal], [1, null], said)
  const lines = said.split('\n').filter((line) => line.startsWith('{'))
  const told = lines.map((line) => JSON.parse(line)).find(({ level }) => level === 'error')
  assert.match(told.err.stack, /out of nowhere[^]*at /)
  assert.match(said, /this node has stopped/)
})

test('after a failover to a database that is briefly read-only, requests and readiness recover as soon as it takes writes', async () => {
  const port = await freePort()
  const { child } = serve({ ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}` })
  await untilAnswered(`http://127.0.0.1:${port}/v1/ready`, child)
  const api = apiOf(`http://127.0.0.1:${port}/v1`, await tokenOf('failover'))
  const owner = new pg.Client(database.ownerUrl)
  await owner.connect()
  const name = new URL(database.ownerUrl).pathname.slice(1)
  // The traffic never pauses, so that no connection is ever idle for long.
  const posts: { sentAt: number; status: number }[] = []
  const ending = new AbortController()
  const lane = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const sentAt = performance.now()
      const { status } = await api.send('POST', '/pins', { body: { cid: emptyRawBlock } })
      posts.push({ sentAt, status })
      await api.send('GET', '/pins')
    }
  }
  const traffic = Promise.allSettled([1, 2, 3, 4].map(lane))
  after(() => ending.abort())
  const answersSince = (at: number) => posts.filter(({ sentAt }) => sentAt > at)
  await until('pins are accepted', () => answersSince(0).some(({ status }) => status === 202))

  await owner.query(`alter database ${name} set default_transaction_read_only = on`)
  const refusedAt = performance.now()
  const { rows } = await owner.query<{ at: string }>('select clock_timestamp()::text as at')
  await until('the node says that it is not ready, and pins are refused', async () => {
    for (const url of [database.tenantUrl, database.systemUrl]) await endSessions(url, rows[0]?.at ?? '')
    const { status, text: said } = await api.send('GET', '/ready')
    const told = status === 503 && /"what":"postgres","reason":"the database is read-only/.test(said)
    return told && answersSince(refusedAt).some((post) => post.status === 503)
  })

  await owner.query(`alter database ${name} reset default_transaction_read_only`)
  const wellAt = performance.now()
  await until('more pins are asked for', () => answersSince(wellAt).length >= 40)
  await until('the node is ready', async () => (await api.send('GET', '/ready')).status === 200)
  ending.abort()
  await traffic
  await owner.end()
  assert.deepEqual(
    answersSince(wellAt).filter(({ status }) => status !== 202),
    [],
  )
  child.kill('SIGTERM')
  await once(child, 'exit')
})

test('a node refuses a login with a role other than the required one, and says so', async () => {
  const { child, stderr } = serve({ ANCHORAGE_DATABASE_URL: database.systemUrl })
  const [code] = await once(child, 'exit')
  const said = await stderr
  assert.notEqual(code, 0)
  assert.match(said, /^anchorage: .*anchorage_tenant/m)
  assert.doesNotMatch(said, /^ {4}at /m)
})

test('a login that Postgres refuses ends the start at once, with the command to run instead of a stack', async () => {
  const url = new URL(database.systemUrl)
  url.password = 'wrong'
  const { child, stderr } = serve({ ANCHORAGE_DATABASE_SYSTEM_URL: url.href })
  const [code] = await once(child, 'exit')
  assert.equal(code, 2)
  assert.equal(
    await stderr,
    'anchorage: Postgres refuses the login of database.systemUrl: password authentication failed for user "anchorage_system"; ' +
      'if this database is new, run: anchorage migrate up; otherwise correct the password\nSee: anchorage serve --help\n',
  )
})

test('a start that fails, for a port in use or another master key, leaves no trace in the database', async () => {
  const { listen, free } = await takenPort()
  const nowhere = { ANCHORAGE_NODE_NAME: 'failed' }
  const refused: [Record<string, string>, number, RegExp][] = [
    [{ ANCHORAGE_HTTP_LISTEN: listen }, 1, new RegExp(`^anchorage: cannot listen on ${listen}`, 'm')],
    [
      { ANCHORAGE_AUTH_MASTER_KEY: otherKey },
      2,
      /^anchorage: auth\.masterKey cannot decrypt the signing key key_/m,
    ],
  ]
  await tokenOf('keyed')
  const before = await rowsOf('nodes')
  for (const [env, code, says] of refused) {
    const { child, stderr } = serve({ ...nowhere, ANCHORAGE_DATA_DIR: join(dir, 'failed'), ...env })
    assert.deepEqual(await once(child, 'exit'), [code, null])
    assert.match(await stderr, says)
  }
  free()
  assert.deepEqual(await rowsOf('nodes'), before)
})

test('a second process under the name of a live node is refused, and the node goes on', async () => {
  const port = await freePort()
  const own = {
    ANCHORAGE_NODE_NAME: 'twice',
    ANCHORAGE_NODE_ZONE: 'east',
    ANCHORAGE_DATA_DIR: join(dir, 'twice'),
    ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}`,
  }
  const first = serve(own)
  const ready = async () => (await untilAnswered(`http://127.0.0.1:${port}/v1/ready`, first.child)).status
  await until('the node is ready', async () => (await ready()) === 200)
  const incarnation = async () =>
    (await rowsOf('nodes'))
      .filter(({ zone }) => zone === 'east')
      .map((row) => [row['name'], row['incarnation']])
  const before = await incarnation()
  assert.deepEqual(before, [['twice', '1']])
  const copied = { ANCHORAGE_DATA_DIR: join(dir, 'copied'), ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0' }
  const copy = serve({ ...own, ...copied })
  assert.deepEqual(await once(copy.child, 'exit'), [1, null])
  assert.match(await copy.stderr, /^anchorage: another process runs as the node twice/m)
  assert.deepEqual(await incarnation(), before)
  assert.equal(await ready(), 200)

  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const next = serve(own)
  const { status } = await untilAnswered(`http://127.0.0.1:${port}/v1/ready`, next.child)
  assert.equal(status, 200)
  next.child.kill('SIGTERM')
  await once(next.child, 'exit')
  assert.doesNotMatch(await next.stderr, /waiting until/)
})

test('a node serves on while it stops, and a second signal ends it at once', async () => {
  const port = await freePort()
  const { child } = serve({ ANCHORAGE_HTTP_LISTEN: `127.0.0.1:${port}`, ANCHORAGE_HTTP_STOP_DELAY: '1m' })
  const at = async (path: string) => (await untilAnswered(`http://127.0.0.1:${port}/v1${path}`, child)).status
  await until('the node is ready', async () => (await at('/ready')) === 200)
  child.kill('SIGTERM')
  await until('the node is not ready', async () => (await at('/ready')) === 503)
  assert.equal(await at('/health'), 200)
  assert.equal(await at('/pins'), 401)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [143, null])
})

/** A port of 127.0.0.1 on which another process listens. */
async function takenPort(): Promise<{ listen: string; free: () => void }> {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? address?.port : ''
  return { listen: `127.0.0.1:${port}`, free: () => void taken.close() }
}

async function rowsOf(table: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(database.systemUrl)
  await client.connect()
  const { rows } = await client.query(`select * from ${table}`)
  await client.end()
  return rows
}

const otherKey = Buffer.alloc(32, 8).toString('base64')
const masterKey = Buffer.alloc(32, 7).toString('base64')

/** The CID of an empty raw block. */
const emptyRawBlock = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

/** A token with write access to pins, of a new org. */
async function tokenOf(slug: string): Promise<string> {
  const verb = async (...argv: string[]): Promise<string> => {
    let said = ''
    const io = { out: (text: string) => (said += text), err: () => {}, terminal: null }
    const signal = new AbortController().signal
    assert.equal(await main(['admin', ...argv], { env: environment(), ...io, signal }), 0)
    return said.trim()
  }
  await verb('create-org', slug)
  return await verb('mint-token', '--org', slug, '--scopes', 'pins:read,pins:write', '--ttl', '1h')
}

/** Ends every session of this login that began before this time, as a server that stops does. */
async function endSessions(url: string, before: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
     where usename = current_user and datname = current_database() and backend_start < $1`,
    [before],
  )
  await client.end()
}

function environment(): Record<string, string> {
  return {
    ANCHORAGE_DATABASE_URL: database.tenantUrl,
    ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
    ANCHORAGE_AUTH_MASTER_KEY: masterKey,
    ANCHORAGE_DATA_DIR: join(dir, 'own'),
    ANCHORAGE_HTTP_STOP_DELAY: '0s',
    ANCHORAGE_NATS_URL: 'nats://127.0.0.1:1',
    ANCHORAGE_KUBO_RPC: 'http://127.0.0.1:1',
  }
}

function serve(env: Record<string, string>) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'serve'], {
    env: {
      ...environment(),
      ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  after(() => child.kill('SIGKILL'))
  return { child, stderr: text(child.stderr) }
}

/** The first answer of a node that serves. */
async function untilAnswered(
  url: string,
  child: ChildProcessByStdio<null, null, Readable>,
): Promise<Response> {
  const deadline = AbortSignal.timeout(patience.usualMs)
  for (;;) {
    assert.equal(child.exitCode, null, 'the node goes on running')
    try {
      const answer = await fetch(url, { signal: deadline })
      if (!/node is starting/.test(await answer.clone().text())) return answer
    } catch (error) {
      if (deadline.aborted) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
