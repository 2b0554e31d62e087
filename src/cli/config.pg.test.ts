import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { minter } from '../auth/minter.ts'
import { bareClaim } from '../core/name-claim.ts'
import { silentLog } from '../core/silent-log.ts'
import { openStore } from '../store/store.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { main } from './main.ts'

let database: TestDatabase
let dir: string
before(async () => {
  database = await testDatabase()
  dir = await mkdtemp(join(tmpdir(), 'anchorage-config-'))
  await writeFile(join(dir, 'master.key'), Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 })
})
after(async () => {
  await database[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
})

test('config check passes when everything a start needs is there, and warns of a key that other users may read', async () => {
  const sound = await check()
  const stdout = 'the configuration is complete, and the node can start\n'
  assert.deepEqual(sound, { code: 0, stdout, stderr: '' })
  const key = join(dir, 'master.key')
  await chmod(key, 0o644)
  const open = await check()
  await chmod(key, 0o600)
  assert.deepEqual([open.code, open.stdout], [0, stdout])
  assert.match(open.stderr, /^warning: secrets: .*master\.key; run: chmod o-rwx \S+master\.key\n$/)
})

test('config check fails while Postgres is unreachable, and does not mention Postgres with --offline', async () => {
  const env = { ANCHORAGE_DATABASE_SYSTEM_URL: 'postgres://anchorage_system:pa55word@127.0.0.1:1/a' }
  const away = await check(env)
  assert.deepEqual([away.code, away.stdout], [1, ''])
  assert.match(
    away.stderr,
    /^postgres: Postgres cannot be reached at database\.systemUrl: connect ECONNREFUSED 127\.0\.0\.1:1; check that/,
  )
  assert.doesNotMatch(away.stderr, /pa55word/)
  assert.match(away.stderr, /^warning: master key: whether it opens the signing keys cannot be told/m)
  const offline = await check(env, ['--offline'])
  assert.deepEqual(offline, { code: 0, stdout: 'the configuration is complete\n', stderr: '' })
})

test('config check fails on an outdated schema, with the command to run', async () => {
  const owner = new Client({ connectionString: database.ownerUrl })
  await owner.connect()
  await owner.query('alter table schema_migrations rename to hidden')
  const bare = await check()
  await owner.query('alter table hidden rename to schema_migrations')
  await owner.end()
  assert.equal(bare.code, 1)
  assert.match(bare.stderr, /^postgres schema: the database has no schema yet; run: anchorage migrate up$/m)
})

test('config check fails when the master key does not open the key that signs tokens', async () => {
  const mine = Buffer.alloc(32, 7)
  await using store = openStore({ ...database, log: silentLog })
  await minter({ store: store.tokens, masterKey: mine }).rotateKey()
  assert.deepEqual((await check()).code, 0)
  const other = join(dir, 'other.key')
  await writeFile(other, Buffer.alloc(32, 8).toString('base64'), { mode: 0o600 })
  const { code, stderr } = await check({ ANCHORAGE_AUTH_MASTER_KEY_FILE: other })
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^master key: auth\.masterKey cannot decrypt the signing key key_\w+: give the master key/m,
  )
})

test('config check fails when the node name belongs to another machine, and warns of a differing setting', async () => {
  await using store = openStore({ ...database, log: silentLog })
  const claim = { ...bareClaim, folderId: 'theirs', machine: 'theirs', settings: { 'pin.replicas': '3' } }
  await store.nodes.boot('theirs', null, claim)
  const taken = await check({ ANCHORAGE_NODE_NAME: 'theirs' })
  assert.equal(taken.code, 1)
  assert.match(taken.stderr, /^node name: another process runs as the node theirs, .*node\.name of its own/m)
  const differs = await check({ ANCHORAGE_NODE_NAME: 'new' })
  assert.match(differs.stderr, /pin\.replicas is 1 here, and 3 on the node theirs/)
})

test('config check fails when another process has the port, and when the data directory cannot be made', async () => {
  const stranger = createServer().listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const address = stranger.address()
  const listen = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const found = await check({
    ANCHORAGE_HTTP_LISTEN: listen,
    ANCHORAGE_DATA_DIR: join(dir, 'master.key', 'below'),
  })
  stranger.close()
  assert.equal(found.code, 1)
  assert.match(found.stderr, /^disk: data\.dir .* cannot be made/m)
  assert.match(found.stderr, new RegExp(`^http\\.listen: another process listens on ${listen}`, 'm'))
})

async function check(env: Record<string, string> = {}, flags: string[] = []) {
  const written = { stdout: '', stderr: '' }
  const code = await main(['config', 'check', ...flags], {
    env: {
      ANCHORAGE_DATABASE_URL: database.tenantUrl,
      ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
      ANCHORAGE_AUTH_MASTER_KEY_FILE: join(dir, 'master.key'),
      ANCHORAGE_DATA_DIR: dir,
      ANCHORAGE_HTTP_LISTEN: '127.0.0.1:0',
      ANCHORAGE_NATS_CLIENT_PORT: '0',
      ANCHORAGE_KUBO_RPC: 'http://127.0.0.1:1',
      ...env,
    },
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal: null,
    signal: new AbortController().signal,
  })
  return { code, ...written }
}
