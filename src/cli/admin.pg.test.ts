import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import { testDatabase, type TestDatabase } from '../dev/test-postgres.ts'
import { main } from './main.ts'

let database: TestDatabase
before(async () => {
  database = await testDatabase()
})
after(() => database[Symbol.asyncDispose]())

test('migrate status is content with a migrated database', async () => {
  const table = await anchorage('migrate', 'status')
  assert.equal(table.code, 0, table.stderr)
  assert.match(table.stdout, /^VERSION +NAME +STATE\n1 +\S+ +applied\n/)
  const migrations: { version: number; state: string }[] = JSON.parse(
    (await anchorage('migrate', 'status', '--json')).stdout,
  )
  assert.equal(migrations[0]?.version, 1)
  assert.ok(migrations.every(({ state }) => state === 'applied'))
})

test('migrate up on a current database changes nothing and succeeds', async () => {
  const { code, stdout } = await anchorage('migrate', 'up')
  assert.equal(code, 0)
  assert.match(stdout, /applied/)
  assert.doesNotMatch(stdout, /pending/)
})

test('an org is made once; its slug is then taken', async () => {
  const made = await anchorage('admin', 'create-org', 'acme')
  assert.equal(made.code, 0, made.stderr)
  assert.match(made.stdout, /^org_[0-9a-z]{26}\n$/)
  const again = await anchorage('admin', 'create-org', 'acme')
  assert.deepEqual([again.code, again.stdout], [1, ''])
  assert.match(again.stderr, /acme/)
})

test('an org gets a number of copies when it is made, and another later; what is no such number is refused', async () => {
  const made = await anchorage('admin', 'create-org', 'copies', '--replicas', '2', '--json')
  assert.equal(JSON.parse(made.stdout).replicas, 2, made.stderr)
  const set = await anchorage('admin', 'set-org', 'copies', '--replicas', '3')
  assert.deepEqual([set.code, set.stdout], [0, 'new pins of copies get 3 copies unless they say otherwise\n'])
  const usual = await anchorage('admin', 'set-org', 'copies', '--replicas', 'default', '--json')
  assert.equal(JSON.parse(usual.stdout).replicas, null)
  for (const wrong of ['0', '101', '2.5', 'two'])
    for (const verb of [
      ['create-org', 'other'],
      ['set-org', 'copies'],
    ]) {
      const { code, stderr } = await anchorage('admin', ...verb, '--replicas', wrong)
      assert.equal(code, 2, wrong)
      assert.match(stderr, /--replicas: must be a whole number from 1 to 100/)
    }
  assert.equal((await anchorage('admin', 'set-org', 'copies')).code, 2)
  const nobody = await anchorage('admin', 'set-org', 'nobody', '--replicas', '2')
  assert.equal(nobody.code, 1)
  assert.match(nobody.stderr, /nobody/)
})

test('mint-token prints the token alone, or with what belongs to it as JSON', async () => {
  await anchorage('admin', 'create-org', 'minting')
  const asked = [
    'admin',
    'mint-token',
    '--org',
    'minting',
    '--scopes',
    'pins:read,pins:write',
    '--ttl',
    '90d',
  ]
  const plain = await anchorage(...asked)
  assert.equal(plain.code, 0, plain.stderr)
  assert.match(plain.stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/)
  const minted: Record<string, string> = JSON.parse(
    (await anchorage(...asked, '--name', 'laptop', '--json')).stdout,
  )
  assert.deepEqual(Object.keys(minted), ['token', 'id', 'kid', 'expiresAt'])
  const days = (Date.parse(minted['expiresAt'] ?? '') - Date.now()) / 86_400_000
  assert.ok(days > 89.9 && days < 90.1)
  assert.equal(decodeJwt(minted['token'] ?? '').jti, minted['id'])
})

test('revoke-token ends a token also while no node can be told, and takes ids only', async () => {
  await anchorage('admin', 'create-org', 'revoking')
  const asked = ['--org', 'revoking', '--scopes', 'pins:read', '--ttl', '1h', '--json']
  const minted: { id: string; token: string } = JSON.parse(
    (await anchorage('admin', 'mint-token', ...asked)).stdout,
  )
  for (const _ of ['revoked', 'revoked again']) {
    const { code, stdout, stderr } = await anchorage('admin', 'revoke-token', minted.id)
    assert.deepEqual([code, stdout], [0, `${minted.id} is revoked\n`], stderr)
    assert.match(stderr, /could not be told/)
  }
  const whole = await anchorage('admin', 'revoke-token', minted.token)
  assert.equal(whole.code, 2)
  assert.match(whole.stderr, /not the token itself/)
  assert.doesNotMatch(whole.stderr, new RegExp(minted.token))
  const other = await anchorage('admin', 'revoke-token', 'tok_01h455vb4pex5vsknk084sn02q')
  assert.deepEqual([other.code, other.stdout], [1, ''])
  assert.match(other.stderr, /no token tok_01h455vb4pex5vsknk084sn02q/)
})

test('mint-token refuses an unknown org and unknown scopes, and says which', async () => {
  const nobody = await anchorage(
    'admin',
    'mint-token',
    '--org',
    'nobody',
    '--scopes',
    'pins:read',
    '--ttl',
    '1h',
  )
  assert.deepEqual([nobody.code, nobody.stdout], [1, ''])
  assert.match(nobody.stderr, /nobody/)
  await anchorage('admin', 'create-org', 'scopes')
  const scopes = await anchorage(
    'admin',
    'mint-token',
    '--org',
    'scopes',
    '--scopes',
    'pins:fly',
    '--ttl',
    '1h',
  )
  assert.deepEqual([scopes.code, scopes.stdout], [2, ''])
  assert.match(scopes.stderr, /pins:fly.*pins:read, pins:write, pins:delete/)
})

test('after rotate-key, tokens are signed with the new key', async () => {
  await anchorage('admin', 'create-org', 'rotating')
  const mint = ['admin', 'mint-token', '--org', 'rotating', '--scopes', 'pins:read', '--ttl', '1h', '--json']
  const before: { kid: string } = JSON.parse((await anchorage(...mint)).stdout)
  const { kid }: { kid: string } = JSON.parse((await anchorage('admin', 'rotate-key', '--json')).stdout)
  const after: { kid: string } = JSON.parse((await anchorage(...mint)).stdout)
  assert.notEqual(kid, before.kid)
  assert.equal(after.kid, kid)
})

async function anchorage(...argv: string[]) {
  const written = { stdout: '', stderr: '' }
  const code = await main(argv, {
    env: {
      ANCHORAGE_DATABASE_URL: database.tenantUrl,
      ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
      ANCHORAGE_DATABASE_OWNER_URL: database.ownerUrl,
      ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      ANCHORAGE_LOG_LEVEL: 'error',
      // nobody listens there
      ANCHORAGE_NATS_URL: 'nats://127.0.0.1:9',
    },
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal: null,
    signal: new AbortController().signal,
  })
  return { code, ...written }
}
