import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { testDatabase, type TestDatabase } from '../dev/test-postgres.ts'
import { isCode } from '../core/errors.ts'
import { mintId, type KeyId, type OrgId, type TokenId, type UserId } from '../core/ids.ts'
import type { Role } from '../core/org.ts'
import type { LoginClaims } from '../core/ports.ts'
import type { Scope } from '../core/token.ts'
import { openStore, type Store } from './store.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }
const hour = 3_600_000
const owner = { actor: 'test', owners: true }
let database: TestDatabase
let store: Store
let keyId: KeyId

before(async () => {
  database = await testDatabase()
  store = openStore({ ...database, log: quiet })
  keyId = mintId('key')
  await store.tokens.rotateKey({ id: keyId, wrapped: randomBytes(40), state: 'active' })
})
after(async () => {
  await store[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

test('an org is made with limits, found by id and slug, changed in part, and listed with what it has', async () => {
  const made = await store.tenants.createOrg(
    'limited',
    { limits: { maxPins: 10 }, defaultReplicas: 2 },
    'test',
  )
  assert.deepEqual(made.limits, { maxPins: 10, maxBytes: null, maxReplicas: null })
  await assert.rejects(store.tenants.createOrg('limited', {}, 'test'), (e) => isCode(e, 'conflict'))
  await assert.rejects(store.tenants.createOrg('Not A Slug', {}, 'test'), (e) => isCode(e, 'invalid'))
  await assert.rejects(store.tenants.setOrg(made.id, { maxPins: -1 }, 'test'), (e) => isCode(e, 'invalid'))
  await assert.rejects(store.tenants.setOrg(mintId('org'), { maxPins: 1 }, 'test'), (e) =>
    isCode(e, 'not_found'),
  )
  const set = await store.tenants.setOrg(
    made.id,
    { maxPins: null, maxBytes: 5, defaultReplicas: null },
    'test',
  )
  assert.deepEqual(
    [set.limits, set.defaultReplicas],
    [{ maxPins: null, maxBytes: 5, maxReplicas: null }, null],
  )
  assert.deepEqual(await store.tenants.findOrg('limited'), set)
  assert.deepEqual(await store.tenants.findOrg(made.id), set)
  assert.deepEqual(await store.orgs.org(made.id), set)
  const none = { pins: { queued: 0, pinning: 0, pinned: 0, failed: 0 }, bytes: 0 }
  assert.deepEqual(await store.orgs.usage(made.id), none)
  assert.deepEqual(
    (await store.tenants.orgs('', 100)).find((org) => org.id === made.id),
    { ...set, usage: none },
  )
  assert.deepEqual(await store.tenants.orgs('limited', 100), await store.tenants.orgs('limitee', 100))
  await assert.rejects(store.orgs.org(mintId('org')), (e) => isCode(e, 'not_found'))
  const actions = (await store.orgs.audit(made.id, { limit: 10 })).map((entry) => entry.action)
  assert.deepEqual(actions, ['org.set', 'org.create'])
})

test('a login makes the user once, keeps what the provider says of it, and gives and takes roles that come from groups', async () => {
  const a = (await store.tenants.createOrg('groups-a', {}, 'test')).id
  const b = (await store.tenants.createOrg('groups-b', {}, 'test')).id
  const first = await login('grouped', {
    roles: [
      { slug: 'groups-a', role: 'admin' },
      { slug: 'groups-none', role: 'owner' },
    ],
    operator: true,
  })
  const userId = first.session.user.id
  assert.deepEqual(first.session.memberships, [{ orgId: a, slug: 'groups-a', role: 'admin' }])
  assert.equal(first.session.user.operator, true)
  await store.orgs.setMember(b, userId, 'viewer', owner)
  const second = await login('grouped', {
    name: 'New Name\u0000',
    roles: [{ slug: 'groups-b', role: 'owner' }],
  })
  assert.equal(second.session.user.id, userId)
  assert.equal(second.session.user.name, 'New Name\u0000')
  assert.equal(second.session.user.operator, false)
  assert.deepEqual(second.session.memberships, [{ orgId: b, slug: 'groups-b', role: 'viewer' }])
  assert.deepEqual(await store.orgs.members(a), [])
  const [member] = await store.orgs.members(b)
  assert.equal(member?.source, 'manual')
  assert.equal(member.name, 'New Name\u0000')
  assert.deepEqual(
    (await store.tenants.orgsOf(userId)).map((org) => [org.slug, org.role]),
    [['groups-b', 'viewer']],
  )
  assert.equal((await store.tenants.users('', 1000)).filter((user) => user.id === userId).length, 1)
})

test('a session is found by its cookie until it is idle, over, ended or replaced', async () => {
  const { hash, session } = await login('sessions')
  assert.equal((await store.sessions.session(hash, hour))?.id, session.id)
  assert.equal(await store.sessions.session(randomBytes(32), hour), null)
  assert.equal(await store.sessions.session(hash, 0), null)
  const short = await login('sessions', {}, { maxAgeMs: 0 })
  assert.equal(await store.sessions.session(short.hash, hour), null)
  const next = await login('sessions', {}, { previous: hash })
  assert.equal(await store.sessions.session(hash, hour), null)
  assert.deepEqual(
    (await store.sessions.sessions(session.user.id)).map((s) => s.id),
    [next.session.id],
  )
  const other = await login('somebody-else')
  await assert.rejects(store.sessions.endSession(other.session.user.id, next.session.id, 'test'), (e) =>
    isCode(e, 'not_found'),
  )
  const ended = await store.sessions.endSession(session.user.id, next.session.id, session.user.id)
  assert.deepEqual(ended, { idToken: 'id-token' })
  await assert.rejects(store.sessions.endSession(session.user.id, next.session.id, 'test'), (e) =>
    isCode(e, 'not_found'),
  )
  assert.equal(await store.sessions.session(next.hash, hour), null)
  assert.equal(await store.sessions.pruneSessions(hour, 100), 0)
  assert.equal(await store.sessions.pruneSessions(0, 100), 3)
})

test('the provider ends a session by its id or all of a person, and each of its logout tokens counts once', async () => {
  const one = await login('back-channel', {}, { providerSid: 'one' })
  const two = await login('back-channel', {}, { providerSid: 'two' })
  const stranger = await login('back-channel-stranger', {}, { providerSid: 'one', issuer: 'https://other' })
  const until = new Date(Date.now() + hour)
  const issuer = 'https://idp'
  const byId = { issuer, subject: null, sid: 'one', jti: 'jti-1', until }
  assert.equal(await store.sessions.endByProvider(byId), true)
  assert.equal(await store.sessions.session(one.hash, hour), null)
  assert.ok(await store.sessions.session(two.hash, hour))
  assert.ok(await store.sessions.session(stranger.hash, hour))
  const again = await login('back-channel', {}, { providerSid: 'one' })
  assert.equal(await store.sessions.endByProvider(byId), false)
  assert.ok(await store.sessions.session(again.hash, hour))
  const all = { issuer, subject: 'back-channel', sid: null, jti: 'jti-2', until }
  assert.equal(await store.sessions.endByProvider(all), true)
  for (const { hash } of [again, two]) assert.equal(await store.sessions.session(hash, hour), null)
  assert.ok(await store.sessions.session(stranger.hash, hour))
})

async function login(
  subject: string,
  claims: Partial<LoginClaims> = {},
  more: { previous?: Uint8Array; maxAgeMs?: number; providerSid?: string; issuer?: string } = {},
) {
  const hash = randomBytes(32)
  const done = await store.sessions.login(
    {
      issuer: more.issuer ?? 'https://idp',
      subject,
      name: subject,
      email: null,
      operator: false,
      roles: [],
      ...claims,
    },
    {
      id: mintId('ses'),
      hash,
      providerSid: more.providerSid ?? null,
      idToken: 'id-token',
      userAgent: 'browser',
      address: '127.0.0.1',
      maxAgeMs: more.maxAgeMs ?? hour,
    },
    more.previous ?? null,
  )
  return { hash, ...done }
}
