import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode, type ErrorCode } from './errors.ts'
import { fakeOrgs } from '../../testing/fakes/orgs.ts'
import { mintId } from './ids.ts'
import { scopesOf, type Role } from './org.ts'
import type { Log } from './ports.ts'
import type { OrgPrincipal, Scope } from './token.ts'

const now = Date.UTC(2026, 0, 1)
const dayMs = 86_400_000

function rig() {
  const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => log }
  const fake = fakeOrgs({ log, nowMs: () => now })
  const { id: orgId } = fake.newOrg('acme')
  const person = (role: Role): OrgPrincipal => ({
    actor: fake.newMember(orgId, role),
    orgId,
    scopes: scopesOf(role),
    until: null,
  })
  const program = (until: Date | null, ...scopes: Scope[]): OrgPrincipal => ({
    actor: mintId('tok'),
    orgId,
    scopes: new Set(scopes),
    until,
  })
  return { ...fake, person, program }
}

const refusal = (code: ErrorCode, words: RegExp) => (error: unknown) =>
  isCode(error, code) && words.test(error.message)

test('a token has the requested name and scopes, and lasts ninety days unless requested otherwise', async () => {
  const { tokens, person } = rig()
  const member = person('member')
  const { secret, token } = await tokens.create(member, { name: 'laptop', scopes: ['pins:read'] })
  assert.match(secret, /secret/)
  assert.deepEqual([token.name, token.scopes, token.createdBy], ['laptop', ['pins:read'], member.actor])
  assert.equal(token.expiresAt.getTime(), now + 90 * dayMs)
  const brief = await tokens.create(member, { name: null, scopes: ['pins:read'], ttlMs: 60_000 })
  assert.equal(brief.token.expiresAt.getTime(), now + 60_000)
  const until = new Date(now + dayMs)
  const exact = await tokens.create(member, { name: null, scopes: ['pins:read'], expiresAt: until })
  assert.deepEqual(exact.token.expiresAt, until)
})

test('a token cannot have scopes that its maker does not have', async () => {
  const { tokens, person, program } = rig()
  const asks = (principal: OrgPrincipal, ...scopes: Scope[]) =>
    tokens.create(principal, { name: null, scopes })
  await assert.rejects(
    asks(person('member'), 'pins:read', 'org:admin'),
    refusal('forbidden', /scopes that its maker does not have: org:admin/),
  )
  await assert.rejects(asks(person('owner'), 'cluster:admin'), refusal('forbidden', /cluster:admin/))
  await assert.rejects(asks(program(null, 'tokens:manage'), 'pins:read'), refusal('forbidden', /pins:read/))
  const operator = { ...person('owner'), scopes: new Set<Scope>(['cluster:admin', 'tokens:manage']) }
  assert.deepEqual((await asks(operator, 'cluster:admin')).token.scopes, ['cluster:admin'])
})

test('a token lives no longer than its maker, and ten years at most', async () => {
  const { tokens, person, program } = rig()
  const until = new Date(now + dayMs)
  const maker = program(until, 'tokens:manage')
  const asks = (principal: OrgPrincipal, end: { ttlMs?: number; expiresAt?: Date }) =>
    tokens.create(principal, { name: null, scopes: ['tokens:manage'], ...end })
  assert.deepEqual((await asks(maker, {})).token.expiresAt, until)
  assert.deepEqual((await asks(maker, { expiresAt: until })).token.expiresAt, until)
  await assert.rejects(
    asks(maker, { ttlMs: dayMs + 1 }),
    refusal('invalid', /cannot outlast the token that makes it, which expires at /),
  )
  const member = person('member')
  await assert.rejects(asks(member, { ttlMs: 3654 * dayMs }), refusal('invalid', /ten years/))
  assert.ok(await asks(member, { ttlMs: 3650 * dayMs }))
  for (const ttlMs of [0, -1, 999, NaN])
    await assert.rejects(asks(member, { ttlMs }), refusal('invalid', /future/))
  await assert.rejects(asks(member, { expiresAt: new Date(now - 1) }), refusal('invalid', /future/))
  await assert.rejects(asks(member, { expiresAt: until, ttlMs: 5000 }), refusal('invalid', /not both/))
})

test('a member sees and ends its own tokens; an admin of the org sees and ends all', async () => {
  const { tokens, person, announced } = rig()
  const [ann, bob, admin] = [person('member'), person('member'), person('admin')]
  const { token: anns } = await tokens.create(ann, { name: 'ann', scopes: ['pins:read'] })
  await tokens.create(bob, { name: 'bob', scopes: ['pins:read'] })
  const names = async (principal: OrgPrincipal) => (await tokens.list(principal, 10)).map(({ name }) => name)
  assert.deepEqual(await names(ann), ['ann'])
  assert.deepEqual(await names(admin), ['bob', 'ann'])
  assert.deepEqual(await tokens.list({ ...admin, orgId: mintId('org') }, 10), [])
  await assert.rejects(tokens.revoke(bob, anns.id), refusal('not_found', /./))
  await assert.rejects(tokens.revoke({ ...admin, orgId: mintId('org') }, anns.id), refusal('not_found', /./))
  await assert.rejects(tokens.revoke(admin, "tok_' or 1=1"), refusal('not_found', /./))
  assert.equal(announced.length, 0)
  await tokens.revoke(admin, anns.id)
  await tokens.revoke(ann, anns.id)
  assert.deepEqual(
    announced.map((each) => each.tokens),
    [[anns.id], [anns.id]],
  )
})
