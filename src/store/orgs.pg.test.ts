import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { mintId, type KeyId, type OrgId, type TokenId, type UserId } from '../core/ids.ts'
import type { LoginClaims } from '../core/login.ts'
import type { Scope } from '../core/token.ts'
import { testStore } from '../../testing/database/test-store.ts'

const hour = 3_600_000
const owner = { name: 'test', owners: true }
const { store } = await testStore()
let keyId: KeyId

before(async () => {
  keyId = mintId('key')
  await store.tokens.rotateKey({ id: keyId, wrapped: randomBytes(40), state: 'active' })
})

test('an org is made with limits, found by id and slug, changed in part, and listed with its usage', async () => {
  const made = await store.orgDirectory.createOrg(
    'limited',
    { limits: { maxPins: 10 }, defaultReplicas: 2 },
    'test',
  )
  assert.deepEqual(made.limits, { maxPins: 10, maxBytes: null, maxReplicas: null })
  await assert.rejects(store.orgDirectory.createOrg('limited', {}, 'test'), (e) => isCode(e, 'conflict'))
  await assert.rejects(store.orgDirectory.createOrg('Not A Slug', {}, 'test'), (e) => isCode(e, 'invalid'))
  await assert.rejects(store.orgDirectory.setOrg(made.id, { maxPins: -1 }, 'test'), (e) =>
    isCode(e, 'invalid'),
  )
  await assert.rejects(store.orgDirectory.setOrg(mintId('org'), { maxPins: 1 }, 'test'), (e) =>
    isCode(e, 'not_found'),
  )
  const set = await store.orgDirectory.setOrg(
    made.id,
    { maxPins: null, maxBytes: 5, defaultReplicas: null },
    'test',
  )
  assert.deepEqual(
    [set.limits, set.defaultReplicas],
    [{ maxPins: null, maxBytes: 5, maxReplicas: null }, null],
  )
  assert.deepEqual(await store.orgDirectory.findOrg('limited'), set)
  assert.deepEqual(await store.orgDirectory.findOrg(made.id), set)
  assert.deepEqual(await store.orgs.org(made.id), set)
  const none = { pins: { queued: 0, pinning: 0, pinned: 0, failed: 0 }, bytes: 0 }
  assert.deepEqual(await store.orgs.usage(made.id), none)
  assert.deepEqual(
    (await store.orgDirectory.orgs('', 100)).find((org) => org.id === made.id),
    { ...set, usage: none },
  )
  assert.deepEqual(
    await store.orgDirectory.orgs('limited', 100),
    await store.orgDirectory.orgs('limitee', 100),
  )
  await assert.rejects(store.orgs.org(mintId('org')), (e) => isCode(e, 'not_found'))
  const actions = (await store.orgs.audit(made.id, { limit: 10 })).map((entry) => entry.action)
  assert.deepEqual(actions, ['org.set', 'org.create'])
})

test('a login creates the user once, updates it from the provider, and gives and takes roles that come from groups', async () => {
  const a = (await store.orgDirectory.createOrg('groups-a', {}, 'test')).id
  const b = (await store.orgDirectory.createOrg('groups-b', {}, 'test')).id
  const first = await login('grouped', {
    roles: [
      { slug: 'groups-a', role: 'admin' },
      { slug: 'groups-none', role: 'owner' },
    ],
    operator: true,
  })
  const userId = first.session.user.id
  assert.deepEqual(first.session.memberships, [
    { orgId: a, slug: 'groups-a', role: 'admin', suspended: null },
  ])
  assert.equal(first.session.user.operator, true)
  await store.orgs.setMember(b, userId, 'viewer', owner)
  const second = await login('grouped', {
    name: 'New Name\u0000',
    roles: [{ slug: 'groups-b', role: 'owner' }],
  })
  assert.equal(second.session.user.id, userId)
  assert.equal(second.session.user.name, 'New Name\u0000')
  assert.equal(second.session.user.operator, false)
  assert.deepEqual(second.session.memberships, [
    { orgId: b, slug: 'groups-b', role: 'viewer', suspended: null },
  ])
  assert.deepEqual(await store.orgs.members(a), [])
  const [member] = await store.orgs.members(b)
  assert.equal(member?.source, 'manual')
  assert.equal(member.name, 'New Name\u0000')
  assert.deepEqual(
    (await store.orgDirectory.orgsOf(userId)).map((org) => [org.slug, org.role]),
    [['groups-b', 'viewer']],
  )
  assert.equal((await store.orgDirectory.users('', 1000)).filter((user) => user.id === userId).length, 1)
})

test('a session is found by its cookie until it is idle, expired, ended or replaced', async () => {
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

test('the provider ends one session by its id or all sessions of a person, and each logout token works once', async () => {
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

test('setting or removing a member revokes the tokens that it may no longer have, and the tokens that these made', async () => {
  const org = (await store.orgDirectory.createOrg('members', {}, 'test')).id
  const elsewhere = (await store.orgDirectory.createOrg('members-elsewhere', {}, 'test')).id
  const userId = (await login('member', { operator: true })).session.user.id
  for (const o of [org, elsewhere]) await store.orgs.setMember(o, userId, 'admin', owner)
  const admin = await token(org, ['org:admin', 'tokens:manage', 'pins:read'], userId)
  const child = await token(org, ['org:admin'], admin)
  const reader = await token(org, ['pins:read', 'cluster:admin'], userId)
  const readersChild = await token(org, ['pins:read'], reader)
  const other = await token(elsewhere, ['org:admin'], userId)
  const unmade = await token(org, ['org:admin'], null)
  const before = await store.tokens.cacheVersion('tokens')
  const lowered = await store.orgs.setMember(org, userId, 'viewer', owner)
  assert.deepEqual(new Set(lowered.tokens), new Set([admin, child]))
  assert.ok(lowered.version > before)
  assert.equal(lowered.version, await store.tokens.cacheVersion('tokens'))
  assert.deepEqual((await store.orgs.setMember(org, userId, 'viewer', owner)).tokens, [])
  assert.deepEqual(await living([admin, child, reader, readersChild, other, unmade]), [
    reader,
    readersChild,
    other,
    unmade,
  ])
  const removed = await store.orgs.removeMember(org, userId, owner)
  assert.deepEqual(new Set(removed.tokens), new Set([reader, readersChild]))
  assert.deepEqual(await living([reader, readersChild, other, unmade]), [other, unmade])
  await assert.rejects(store.orgs.removeMember(org, userId, owner), (e) => isCode(e, 'not_found'))
  await assert.rejects(token(org, ['pins:read'], userId), (e) => isCode(e, 'forbidden'))
  const actions = (await store.orgs.audit(org, { limit: 100 })).map((entry) => entry.action)
  assert.deepEqual(count(actions), {
    'org.create': 1,
    'member.set': 2,
    'member.remove': 1,
    'token.create': 5,
    'token.revoke': 4,
  })
  await assert.rejects(store.orgs.setMember(org, mintId('usr'), 'viewer', owner), (e) =>
    isCode(e, 'not_found'),
  )
})

test('only an actor who may change owners does so, and the last owner stays, even when two remove each other', async () => {
  const org = (await store.orgDirectory.createOrg('owners', {}, 'test')).id
  const [a, b] = [(await login('owner-a')).session.user.id, (await login('owner-b')).session.user.id]
  const admin = { name: 'test', owners: false }
  await assert.rejects(store.orgs.setMember(org, a, 'owner', admin), (e) => isCode(e, 'forbidden'))
  await store.orgs.setMember(org, a, 'owner', owner)
  for (const by of [admin, owner]) {
    const code = by.owners ? 'conflict' : 'forbidden'
    await assert.rejects(store.orgs.setMember(org, a, 'admin', by), (e) => isCode(e, code))
    await assert.rejects(store.orgs.removeMember(org, a, by), (e) => isCode(e, code))
  }
  for (let i = 0; i < 10; i++) {
    for (const user of [a, b]) await store.orgs.setMember(org, user, 'owner', owner)
    const ends = await Promise.allSettled([
      store.orgs.removeMember(org, a, owner),
      i % 2 === 0 ? store.orgs.removeMember(org, b, owner) : store.orgs.setMember(org, b, 'viewer', owner),
    ])
    assert.equal(ends.filter((end) => end.status === 'fulfilled').length, 1)
  }
  const { id: grouped } = await store.orgDirectory.createOrg('owned-by-a-group', {}, 'test')
  const { user } = (await login('owner-c', { roles: [{ slug: 'owned-by-a-group', role: 'owner' }] })).session
  await assert.rejects(store.orgs.removeMember(grouped, user.id, owner), (e) => isCode(e, 'conflict'))
  await login('owner-c')
  assert.deepEqual(await store.orgs.members(grouped), [], 'the provider decides about roles that it gave')
})

test('a person who loses a role or operator rights loses every token made with them, even one that is made at that moment', async () => {
  const org = (await store.orgDirectory.createOrg('racing', {}, 'test')).id
  const roles: LoginClaims['roles'] = [{ slug: 'racing', role: 'admin' }]
  for (let i = 0; i < 15; i++) {
    const userId = (await login('racer', { operator: true, roles })).session.user.id
    const scopes: Scope[] = i % 3 === 0 ? ['cluster:admin'] : ['pins:write', 'tokens:manage']
    const maker = await token(org, scopes, userId)
    const making = Array.from({ length: 4 }, (_, n) =>
      token(org, scopes, n % 2 === 0 ? userId : maker).catch((e: unknown) =>
        isCode(e, 'forbidden') ? null : Promise.reject(e),
      ),
    )
    const going =
      i % 3 === 0
        ? login('racer', { roles })
        : i % 3 === 1
          ? login('racer')
          : store.orgs.removeMember(org, userId, owner).catch(() => login('racer'))
    const made = (await Promise.all(making)).filter((id) => id !== null)
    await going
    assert.deepEqual(await living([maker, ...made]), [])
  }
})

test('an org lists and revokes its own tokens, of one maker or of all, and no other org can', async () => {
  const org = (await store.orgDirectory.createOrg('tokens', {}, 'test')).id
  const other = (await store.orgDirectory.createOrg('tokens-other', {}, 'test')).id
  const maker = await token(org, ['tokens:manage', 'pins:read'], null)
  const made = await token(org, ['tokens:manage'], maker)
  const grandchild = await token(org, ['tokens:manage'], made)
  const seen = await store.orgs.tokens(org, 10)
  assert.deepEqual(
    seen.map((t) => [t.id, t.createdBy, t.name, t.scopes]),
    [
      [grandchild, made, 'n\u0000', ['tokens:manage']],
      [made, maker, 'n\u0000', ['tokens:manage']],
      [maker, null, 'n\u0000', ['tokens:manage', 'pins:read']],
    ],
  )
  assert.deepEqual(
    (await store.orgs.tokens(org, 10, maker)).map((t) => t.id),
    [made],
  )
  assert.equal((await store.orgs.tokens(org, 1)).length, 1)
  assert.deepEqual(await store.orgs.tokens(other, 10), [])
  for (const attempt of [
    () => store.orgs.revokeToken(other, maker, 'test'),
    () => store.orgs.revokeToken(org, maker, 'test', made),
    () => store.orgs.revokeToken(org, mintId('tok'), 'test'),
    () => store.tokens.revokeToken(mintId('tok')),
  ])
    await assert.rejects(attempt(), (e) => isCode(e, 'not_found'))
  for (const scopes of [['pins:write'], ['pins:read', 'org:admin']] satisfies Scope[][])
    await assert.rejects(token(org, scopes, maker), (e) => isCode(e, 'forbidden'))
  await assert.rejects(token(other, ['pins:read'], maker), (e) => isCode(e, 'forbidden'))
  assert.deepEqual((await store.orgs.revokeToken(org, made, 'test', maker)).tokens, [made, grandchild])
  assert.deepEqual((await store.orgs.revokeToken(org, made, 'test')).tokens, [])
  assert.deepEqual((await store.tokens.revokeToken(maker)).tokens, [maker])
  await assert.rejects(token(org, ['pins:read'], maker), (e) => isCode(e, 'forbidden'))
  assert.ok((await store.orgs.tokens(org, 10)).every((t) => t.revokedAt !== null))
})

test('an org reads its own audit in pages, newest first', async () => {
  const org = (await store.orgDirectory.createOrg('audited', {}, 'test')).id
  for (let i = 1; i <= 6; i++) await store.orgDirectory.setOrg(org, { maxPins: i }, 'test')
  const all = await store.orgs.audit(org, { limit: 100 })
  const first = await store.orgs.audit(org, { limit: 4 })
  const before = first.at(-1)
  assert.ok(before)
  assert.deepEqual([...first, ...(await store.orgs.audit(org, { limit: 100, before }))], all)
  assert.equal(all.length, 7)
  assert.ok(all.every((entry) => entry.orgId === org))
})

/** Makes a live token of `org`; returns its id. */
async function token(org: OrgId, scopes: Scope[], createdBy: UserId | TokenId | null): Promise<TokenId> {
  const id = mintId('tok')
  // a token must not expire later than the token that made it
  const expiresAt = new Date('2099-01-01')
  await store.tokens.insertToken({ id, orgId: org, keyId, name: 'n\u0000', scopes, expiresAt, createdBy })
  return id
}

async function living(ids: TokenId[]): Promise<TokenId[]> {
  const states = await Promise.all(ids.map((id) => store.tokens.tokenState(id)))
  return ids.filter((_, index) => states[index]?.revoked === false)
}

function count(texts: string[]): Record<string, number> {
  return texts.reduce<Record<string, number>>((n, text) => ({ ...n, [text]: (n[text] ?? 0) + 1 }), {})
}

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
      network: '127.0.0.1',
      maxAgeMs: more.maxAgeMs ?? hour,
    },
    more.previous ?? null,
  )
  return { hash, ...done }
}
