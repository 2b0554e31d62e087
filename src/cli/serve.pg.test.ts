import assert from 'node:assert/strict'
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { patience } from '../../test/patience.ts'
import { freePort } from '../dev/free-port.ts'
import { testDatabase, type TestDatabase } from '../dev/test-postgres.ts'

let database: TestDatabase
before(async () => {
  database = await testDatabase()
})
after(() => database[Symbol.asyncDispose]())

test('a node whose NATS and Kubo are away serves, says that it is degraded and why, and stops cleanly at SIGTERM', async () => {
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
  const secrets = [database.tenantUrl, database.systemUrl, masterKey].map((each) =>
    each.replace(/.*:\/\/[^:]*:|@.*/g, ''),
  )
  assert.deepEqual(
    secrets.filter((secret) => said.includes(secret)),
    [],
  )
})

test('an error that nobody caught is told whole, and ends the node as a signal would', async () => {
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

test('a node refuses logins with another role than they must have, and says so', async () => {
  const { child, stderr } = serve({ ANCHORAGE_DATABASE_URL: database.systemUrl })
  const [code] = await once(child, 'exit')
  const said = await stderr
  assert.notEqual(code, 0)
  assert.match(said, /^anchorage: .*anchorage_tenant/m)
  assert.doesNotMatch(said, /^ {4}at /m)
})

test('a port in use is an error that names it', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const listen = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const { child, stderr } = serve({ ANCHORAGE_HTTP_LISTEN: listen })
  const [code] = await once(child, 'exit')
  taken.close()
  assert.equal(code, 1)
  assert.match(await stderr, new RegExp(`^anchorage: cannot listen on ${listen}`, 'm'))
})

const masterKey = Buffer.alloc(32, 7).toString('base64')

function serve(env: Record<string, string>) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'serve'], {
    env: {
      ANCHORAGE_DATABASE_URL: database.tenantUrl,
      ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
      ANCHORAGE_AUTH_MASTER_KEY: masterKey,
      ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0',
      ANCHORAGE_NATS_URL: 'nats://127.0.0.1:1',
      ANCHORAGE_KUBO_RPC: 'http://127.0.0.1:1',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  after(() => child.kill('SIGKILL'))
  return { child, stderr: text(child.stderr) }
}

async function untilAnswered(
  url: string,
  child: ChildProcessByStdio<null, null, Readable>,
): Promise<Response> {
  const deadline = AbortSignal.timeout(patience.usualMs)
  for (;;) {
    assert.equal(child.exitCode, null, 'the node goes on running')
    try {
      return await fetch(url, { signal: deadline })
    } catch (error) {
      if (deadline.aborted) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
