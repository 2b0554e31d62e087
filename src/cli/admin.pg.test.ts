import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { mintId, type UserId } from '../core/ids.ts'
import { silentLog } from '../core/silent-log.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { openStore } from '../store/store.ts'
import { until } from '../../testing/settle.ts'
import { main } from './main.ts'
import type { Io } from './verb.ts'

let database: TestDatabase
before(async () => {
  database = await testDatabase()
})
after(() => database[Symbol.asyncDispose]())

test('migrate status succeeds on a migrated database', async () => {
  const table = await anchorage('migrate', 'status')
  assert.equal(table.code, 0, table.stderr)
  assert.match(table.stdout, /^VERSION +NAME +STATE\n100 +\S+ +applied\n/)
  assert.match(table.stdout, /\n +\d+ functions +applied\n$/)
  const migrations: { version: number; state: string }[] = JSON.parse(
    (await anchorage('migrate', 'status', '--json')).stdout,
  )
  assert.equal(migrations[0]?.version, 100)
  assert.ok(migrations.every(({ state }) => state === 'applied'))
})

test('migrate up on a current database changes nothing and succeeds', async () => {
  const { code, stdout } = await anchorage('migrate', 'up')
  assert.equal(code, 0)
  assert.match(stdout, /applied/)
  assert.doesNotMatch(stdout, /pending/)
})

test('as processes, verbs that only print end cleanly, with rows and without, as tables and as JSON', async () => {
  const run = promisify(execFile)
  const bin = fileURLToPath(new URL('../../bin/anchorage.js', import.meta.url))
  for (const verb of [
    'orgs',
    'users',
    'status',
    'nodes',
    'cluster-presences',
    'cache-stats',
    'plans',
    'audit',
  ]) {
    for (const more of [[], ['--json']]) {
      const { stdout } = await run(process.execPath, [bin, 'admin', verb, ...more], { env: env() })
      if (more.length > 0) assert.ok(JSON.parse(stdout), verb)
    }
  }
})

test('an org is created once; after that its slug is taken', async () => {
  const made = await anchorage('admin', 'create-org', 'acme')
  assert.equal(made.code, 0, made.stderr)
  assert.match(made.stdout, /^org_[0-9a-z]{26}\n$/)
  const again = await anchorage('admin', 'create-org', 'acme')
  assert.deepEqual([again.code, again.stdout], [1, ''])
  assert.match(again.stderr, /acme/)
})

test('limits are set when an org is created and changed later; an invalid number is refused', async () => {
  const made = await anchorage(
    'admin',
    'create-org',
    'limited',
    '--replicas',
    '2',
    '--max-pins',
    '10',
    '--json',
  )
  const { limits, defaultReplicas } = JSON.parse(made.stdout)
  assert.deepEqual([limits, defaultReplicas], [{ maxPins: 10, maxBytes: null, maxReplicas: null }, 2])
  const set = await anchorage('admin', 'set-org', 'limited', '--max-bytes', '10GiB', '--max-replicas', '3')
  assert.equal(set.code, 0, set.stderr)
  assert.match(set.stdout, /^pins +0 of 10$/m)
  assert.match(set.stdout, /^bytes +0 B of 10.0 GiB$/m)
  assert.match(set.stdout, /^replicas +2$/m)
  assert.match(set.stdout, /^at most +3$/m)
  const lifted = await anchorage(
    'admin',
    'set-org',
    'limited',
    '--max-pins',
    'none',
    '--replicas',
    'default',
    '--json',
  )
  assert.deepEqual(JSON.parse(lifted.stdout).limits, {
    maxPins: null,
    maxBytes: 10 * 2 ** 30,
    maxReplicas: 3,
  })
  assert.equal(JSON.parse(lifted.stdout).defaultReplicas, null)
  for (const [option, wrong, words] of [
    ['--replicas', '0', /whole number from 1 to 100/],
    ['--replicas', '101', /whole number from 1 to 100/],
    ['--replicas', 'none', /whole number from 1 to 100/],
    ['--max-replicas', '2.5', /whole number from 1 to 100/],
    ['--max-pins', 'ten', /whole number from 0/],
    ['--max-pins=-1', undefined, /whole number from 0/],
    ['--max-bytes', '10 elephants', /a size such as/],
    ['--replicas', '4', /defaultReplicas: it is 4, but/],
  ] as const) {
    const { code, stderr } = await anchorage(
      'admin',
      'set-org',
      'limited',
      option,
      ...(wrong === undefined ? [] : [wrong]),
    )
    assert.equal(code, 2, `${option} ${wrong}: ${stderr}`)
    assert.match(stderr, words)
  }
  assert.equal((await anchorage('admin', 'set-org', 'limited')).code, 2)
  const nobody = await anchorage('admin', 'set-org', 'nobody', '--replicas', '2')
  assert.deepEqual([nobody.code, nobody.stdout], [1, ''])
  assert.match(nobody.stderr, /no org/)
})

test('orgs lists all orgs by slug, or shows one by slug or id', async () => {
  const id = (await anchorage('admin', 'create-org', 'a-listed', '--max-pins', '7')).stdout.trim()
  const table = await anchorage('admin', 'orgs')
  assert.match(table.stdout, /^ORG +ID +PINS +BYTES +REPLICAS +CREATED +STATE\n/)
  assert.match(table.stdout, new RegExp(`^a-listed +${id} +0 of 7 +0 B +default +\\S+Z +served$`, 'm'))
  const { results }: { results: { slug: string }[] } = JSON.parse(
    (await anchorage('admin', 'orgs', '--json')).stdout,
  )
  const slugs = results.map(({ slug }) => slug)
  assert.ok(slugs.includes('a-listed'))
  assert.deepEqual(slugs, slugs.toSorted())
  for (const name of ['a-listed', id]) {
    const one = JSON.parse((await anchorage('admin', 'orgs', name, '--json')).stdout)
    assert.deepEqual([one.id, one.usage.bytes, one.usage.pins.queued, one.limits.maxPins], [id, 0, 0, 7])
  }
  assert.equal((await anchorage('admin', 'orgs', 'no-such')).code, 1)
})

test('an org is suspended with a reason, is shown as suspended, and is resumed', async () => {
  await anchorage('admin', 'create-org', 'stopped')
  assert.equal((await anchorage('admin', 'suspend-org', 'stopped')).code, 2)
  assert.equal((await anchorage('admin', 'suspend-org', 'stopped', '--reason', ' ')).code, 2)
  const stopped = await anchorage('admin', 'suspend-org', 'stopped', '--reason', 'reported for abuse')
  assert.equal(stopped.code, 0, stopped.stderr)
  assert.match(stopped.stdout, /^state +suspended since \S+Z: reported for abuse$/m)
  assert.match(
    (await anchorage('admin', 'orgs')).stdout,
    /^stopped .* suspended since \S+Z: reported for abuse$/m,
  )
  const minted = await anchorage(
    'admin',
    'mint-token',
    '--org',
    'stopped',
    '--scopes',
    'pins:read',
    '--ttl',
    '1h',
  )
  assert.deepEqual([minted.code, minted.stdout], [1, ''])
  assert.match(minted.stderr, /this org is suspended: reported for abuse/)
  const resumed = await anchorage('admin', 'resume-org', 'stopped', '--json')
  assert.deepEqual([resumed.code, JSON.parse(resumed.stdout).suspended], [0, null])
  assert.equal((await anchorage('admin', 'resume-org', 'no-such')).code, 1)
})

test('remove-org needs the slug or --yes, and watches until the org is gone; after that the org does not exist', async () => {
  const id = (await anchorage('admin', 'create-org', 'doomed')).stdout.trim()
  const silent = await anchorage('admin', 'remove-org', 'doomed')
  assert.equal(silent.code, 2)
  assert.match(silent.stderr, /--confirm SLUG is missing: doomed has 0 pins \(0 B\)/)
  const asked: string[] = []
  const typing = (answer: string) => async (question: string) => {
    asked.push(question)
    return answer
  }
  assert.equal((await anchorageAs({ ask: typing('doom') }, 'admin', 'remove-org', 'doomed')).code, 2)
  assert.equal((await anchorage('admin', 'remove-org', 'doomed', '--confirm', 'stopped')).code, 2)
  assert.match((await anchorage('admin', 'orgs', 'doomed')).stdout, /^state +served$/m)
  await anchorage('admin', 'create-org', 'doomed-too')
  const unasked = await anchorage('admin', 'remove-org', 'doomed-too', '--yes', '--no-wait', '--json')
  assert.deepEqual([unasked.code, JSON.parse(unasked.stdout).removed], [0, false], unasked.stderr)
  const begun = await anchorageAs({ ask: typing('doomed ') }, 'admin', 'remove-org', id, '--no-wait')
  assert.deepEqual(
    [begun.code, begun.stdout],
    [0, 'doomed: being removed, 0 pins left (0 B)\n'],
    begun.stderr,
  )
  assert.deepEqual(asked, ['Type doomed to remove it: ', 'Type doomed to remove it: '])
  assert.match((await anchorage('admin', 'orgs', 'doomed')).stdout, /^state +being removed since /m)
  assert.equal((await anchorage('admin', 'resume-org', 'doomed')).code, 1)

  const shown: string[] = []
  const watched = anchorageAs({ out: (text) => shown.push(text) }, 'admin', 'remove-org', 'doomed')
  await until('it is watched', () => shown.length > 0)
  await using store = openStore({ ...database, log: silentLog })
  const epoch = await nextEpoch(store)
  while ((await store.orgRemoval.removeSome(epoch, 10)) !== null);
  const { code, stderr } = await watched
  assert.deepEqual([code, shown.at(-1)], [0, 'doomed: removed\n'], stderr)
  assert.equal((await anchorage('admin', 'remove-org', 'doomed', '--confirm', 'doomed')).code, 1)
})

test('members are set, listed and removed; the last owner cannot be removed', async () => {
  await anchorage('admin', 'create-org', 'staffed')
  assert.match((await anchorage('admin', 'members', 'staffed')).stderr, /no members/)
  const [ann, bob] = [await signedIn('ann'), await signedIn('bob')]
  const users: { results: { id: string; subject: string }[] } = JSON.parse(
    (await anchorage('admin', 'users', '--json')).stdout,
  )
  assert.deepEqual(users.results.map(({ subject }) => subject).toSorted(), ['ann', 'bob'])
  assert.match((await anchorage('admin', 'users')).stdout, new RegExp(`^${ann} +ann `, 'm'))
  const set = await anchorage('admin', 'set-member', 'staffed', ann, 'owner')
  assert.deepEqual([set.code, set.stdout], [0, `${ann} is owner of staffed\n`], set.stderr)
  const other: { role: string } = JSON.parse(
    (await anchorage('admin', 'set-member', 'staffed', bob, 'viewer', '--json')).stdout,
  )
  assert.equal(other.role, 'viewer')
  const listed = await anchorage('admin', 'members', 'staffed')
  assert.match(listed.stdout, new RegExp(`^${ann} +ann +owner +manual `, 'm'))
  const last = await anchorage('admin', 'set-member', 'staffed', ann, 'none')
  assert.deepEqual([last.code, last.stdout], [1, ''])
  assert.match(last.stderr, /owner/)
  const gone = await anchorage('admin', 'set-member', 'staffed', bob, 'none')
  assert.equal(gone.stdout, `${bob} is not a member of staffed\n`)
  assert.equal((await anchorage('admin', 'set-member', 'staffed', bob, 'none')).code, 1)
  assert.equal((await anchorage('admin', 'set-member', 'staffed', bob, 'king')).code, 2)
  assert.equal((await anchorage('admin', 'set-member', 'staffed', 'usr_x', 'viewer')).code, 1)
})

test('tokens of an org are listed with their scopes and whether they have ended, never with the secret', async () => {
  await anchorage('admin', 'create-org', 'listing')
  const asked = ['--org', 'listing', '--scopes', 'pins:read', '--ttl', '1h', '--name', 'laptop', '--json']
  const minted: { id: string; token: string } = JSON.parse(
    (await anchorage('admin', 'mint-token', ...asked)).stdout,
  )
  const before = await anchorage('admin', 'tokens', 'listing')
  assert.match(
    before.stdout,
    new RegExp(`^${minted.id} +laptop +pins:read +operator +until \\S+ +never$`, 'm'),
  )
  await anchorage('admin', 'revoke-token', minted.id)
  const after = await anchorage('admin', 'tokens', 'listing', '--json')
  const { results } = JSON.parse(after.stdout)
  assert.equal(results.length, 1)
  assert.match(results[0].revokedAt, /Z$/)
  assert.equal(results[0].endedBy, 'revoked')
  assert.match((await anchorage('admin', 'tokens', 'listing')).stdout, / revoked \S+Z +never$/m)
  for (const { stdout } of [before, after]) assert.ok(!stdout.includes(minted.token))
  assert.equal((await anchorage('admin', 'tokens', 'nobody')).code, 1)
})

test('mint-token prints the token alone, or the token with its details as JSON', async () => {
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

test('revoke-token ends a token even when no node can be reached, by its id, or by the token on standard input', async () => {
  await anchorage('admin', 'create-org', 'revoking')
  const asked = ['--org', 'revoking', '--scopes', 'pins:read', '--ttl', '1h', '--json']
  const minted: { id: string; token: string } = JSON.parse(
    (await anchorage('admin', 'mint-token', ...asked)).stdout,
  )
  for (const _ of ['revoked', 'revoked again']) {
    const { code, stdout, stderr } = await anchorage('admin', 'revoke-token', minted.id)
    assert.deepEqual([code, stdout], [0, `${minted.id} is revoked\n`], stderr)
    assert.match(stderr, /could not be notified/)
  }
  const whole = await anchorage('admin', 'revoke-token', minted.token)
  assert.equal(whole.code, 2)
  assert.match(whole.stderr, /this is the token itself.* standard input/)
  assert.doesNotMatch(whole.stderr, new RegExp(minted.token))
  const given = (...text: string[]) => anchorageAs({ in: Readable.from(text) }, 'admin', 'revoke-token', '-')
  const second: { id: string; token: string } = JSON.parse(
    (await anchorage('admin', 'mint-token', ...asked)).stdout,
  )
  const { token } = second
  const read = await given(token.slice(0, 40), `${token.slice(40)}\n`)
  assert.deepEqual([read.code, read.stdout], [0, `${second.id} is revoked\n`], read.stderr)
  for (const wrong of ['', ' \n', 'x'.repeat(70_000), 'eyJ.eyJ.x', 'nonsense']) {
    const refused = await given(wrong)
    assert.deepEqual([refused.code, refused.stdout], [2, ''], wrong.slice(0, 20))
  }
  const other = await anchorage('admin', 'revoke-token', 'tok_01h455vb4pex5vsknk084sn02q')
  assert.deepEqual([other.code, other.stdout], [1, ''])
  assert.match(other.stderr, /no token tok_01h455vb4pex5vsknk084sn02q/)
})

test('with --json a warning is JSON too', async () => {
  await anchorage('admin', 'create-org', 'warned')
  const asked = ['--org', 'warned', '--scopes', 'pins:read', '--ttl', '1h', '--json']
  const { id }: { id: string } = JSON.parse((await anchorage('admin', 'mint-token', ...asked)).stdout)
  const { stdout, stderr } = await anchorage('--json', 'admin', 'revoke-token', id)
  assert.deepEqual(JSON.parse(stdout), { id, revoked: true })
  assert.match(JSON.parse(stderr).warning.details, /could not be notified/)
})

test('mint-token refuses an unknown org and unknown scopes, and names them', async () => {
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

test('a token that ended with its signing key is not shown as valid', async () => {
  await anchorage('admin', 'create-org', 'leaked')
  const mint = ['admin', 'mint-token', '--org', 'leaked', '--scopes', 'pins:read', '--ttl', '1h', '--json']
  const { id: before }: { id: string } = JSON.parse((await anchorage(...mint)).stdout)
  await anchorage('admin', 'rotate-key')
  const stateOf = async (id: string) =>
    new RegExp(`^${id} +pins:read +operator +(.*?) +never$`, 'm').exec(
      (await anchorage('admin', 'tokens', 'leaked')).stdout,
    )?.[1]
  assert.match((await stateOf(before)) ?? '', /^until /, 'its key verifies on')
  const silent = await anchorage('admin', 'rotate-key', '--end-tokens')
  assert.deepEqual([silent.code, silent.stdout], [2, ''])
  assert.match(silent.stderr, /every API token ends for good.*\([1-9]\d* are valid now\).*--yes/)
  assert.match((await stateOf(before)) ?? '', /^until /, 'no one said yes')
  assert.equal((await anchorage('admin', 'rotate-key', '--end-tokens', '--yes')).code, 0)
  assert.match((await anchorage('admin', 'rotate-key', '--end-tokens')).stderr, /\(0 are valid now\)/)
  const { id: after }: { id: string } = JSON.parse((await anchorage(...mint)).stdout)
  assert.equal(await stateOf(before), 'ended with its signing key')
  assert.match((await stateOf(after)) ?? '', /^until /)
  const { results } = JSON.parse((await anchorage('admin', 'tokens', 'leaked', '--json')).stdout)
  assert.deepEqual(
    results.map(({ endedBy }: { endedBy: string | null }) => endedBy),
    [null, 'key'],
  )
})

test('with another master key, rotate-key and mint-token fail and change nothing; --new-master-key makes it the new one', async () => {
  await anchorage('admin', 'create-org', 'rekeyed')
  const mint = ['admin', 'mint-token', '--org', 'rekeyed', '--scopes', 'pins:read', '--ttl', '1h', '--json']
  const { kid: before }: { kid: string } = JSON.parse((await anchorage(...mint)).stdout)
  const other = { env: { ...env(), ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 8).toString('base64') } }
  for (const verb of [mint, ['admin', 'rotate-key'], ['admin', 'rotate-key', '--end-tokens', '--yes']]) {
    const { code, stdout, stderr } = await anchorageAs(other, ...verb)
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.match(stderr, /auth\.masterKey cannot decrypt the signing key/)
  }
  assert.equal(JSON.parse((await anchorage(...mint)).stdout).kid, before)

  const renewed = ['admin', 'rotate-key', '--new-master-key']
  assert.match((await anchorageAs(other, ...renewed)).stderr, /--new-master-key needs --end-tokens/)
  const { kid } = JSON.parse((await anchorageAs(other, ...renewed, '--end-tokens', '--yes', '--json')).stdout)
  assert.equal(JSON.parse((await anchorageAs(other, ...mint)).stdout).kid, kid)
  assert.equal((await anchorage(...mint)).code, 2)
  assert.equal((await anchorage(...renewed, '--end-tokens', '--yes')).code, 0)
})

/** A person who has logged in once; returns the id. */
async function signedIn(subject: string): Promise<UserId> {
  await using store = openStore({ ...database, log: silentLog })
  const { session } = await store.sessions.login(
    { issuer: 'https://id.example', subject, name: subject, email: null, operator: false, roles: [] },
    {
      id: mintId('ses'),
      hash: randomBytes(32),
      providerSid: null,
      idToken: 'none',
      userAgent: null,
      address: null,
      network: null,
      maxAgeMs: 60_000,
    },
    null,
  )
  return session.user.id
}

function anchorage(...argv: string[]) {
  return anchorageAs({}, ...argv)
}

async function anchorageAs(who: Partial<Io>, ...argv: string[]) {
  const written = { stdout: '', stderr: '' }
  const code = await main(argv, {
    env: env(),
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal: null,
    ...who,
    signal: new AbortController().signal,
  })
  return { code, ...written }
}

function env(): Record<string, string> {
  return {
    ANCHORAGE_DATABASE_URL: database.tenantUrl,
    ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
    ANCHORAGE_DATABASE_OWNER_URL: database.ownerUrl,
    ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    ANCHORAGE_LOG_LEVEL: 'error',
    // no server listens there
    ANCHORAGE_NATS_URL: 'nats://127.0.0.1:9',
  }
}
