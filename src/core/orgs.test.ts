import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode, type ErrorCode } from './errors.ts'
import { fakeOrgs } from '../../testing/fakes/orgs.ts'
import { mintId, type OrgId, type UserId } from './ids.ts'
import { scopesOf, type Role } from './org.ts'
import { orgUseCases, type AnyPrincipal, type OrgChange } from './orgs.ts'
import type { Log } from './ports.ts'
import type { Scope } from './token.ts'

const operator: AnyPrincipal = {
  actor: 'operator:root@here',
  orgId: null,
  scopes: new Set<Scope>(['cluster:admin']),
}

function rig() {
  const warnings: string[] = []
  const log: Log = {
    debug: () => {},
    info: () => {},
    warn: (_fields, message) => void warnings.push(message),
    error: () => {},
    child: () => log,
  }
  const fake = fakeOrgs({ log })
  const acme = fake.newOrg('acme')
  const other = fake.newOrg('other')
  const as = (role: Role, orgId: OrgId = acme.id): AnyPrincipal & { actor: UserId } => ({
    actor: fake.newMember(orgId, role),
    orgId,
    scopes: scopesOf(role),
  })
  const token = (...scopes: Scope[]): AnyPrincipal => ({
    actor: mintId('tok'),
    orgId: acme.id,
    scopes: new Set(scopes),
  })
  return { fake, acme, other, as, token, warnings, ...fake }
}

const refusal = (code: ErrorCode) => (error: unknown) => isCode(error, code)

async function messageOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => String(error),
  )
}

test('a new org gets the usual limits; a given limit, also "no limit", replaces the usual one', async () => {
  const { store, directory } = rig()
  const announce = async () => {}
  const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }
  const orgs = orgUseCases({ store, directory, announce, usual: { maxPins: 5, maxBytes: 100 }, log })
  const made = async (slug: string, change: OrgChange) => (await orgs.create(operator, slug, change)).limits
  assert.deepEqual(await made('silent', {}), { maxPins: 5, maxBytes: 100, maxReplicas: null })
  assert.deepEqual(await made('said', { maxPins: 9 }), { maxPins: 9, maxBytes: 100, maxReplicas: null })
  assert.deepEqual(await made('free', { maxPins: null, maxBytes: null, maxReplicas: 2 }), {
    maxPins: null,
    maxBytes: null,
    maxReplicas: 2,
  })
})

test('a member reads its org by id or slug; a foreign org looks exactly like one that does not exist', async () => {
  const { orgs, acme, other, as } = rig()
  const viewer = as('viewer')
  assert.equal((await orgs.get(viewer, 'acme')).id, acme.id)
  assert.equal((await orgs.get(viewer, acme.id)).slug, 'acme')
  const reads = [
    (principal: AnyPrincipal, org: string) => orgs.get(principal, org),
    (principal: AnyPrincipal, org: string) => orgs.usage(principal, org),
    (principal: AnyPrincipal, org: string) => orgs.members(principal, org),
  ]
  for (const ask of reads) {
    const foreign = await messageOf(ask(viewer, 'other'))
    assert.equal(await messageOf(ask(viewer, 'nowhere')), foreign)
    assert.equal(await messageOf(ask(viewer, other.id)), foreign)
    assert.equal(await messageOf(ask(viewer, "'; drop table orgs")), foreign)
    for (const no of ['', '\0', 'acme\n', 'x'.repeat(9000), 'org_01h455vb4pex5vsknk084sn02q\0'])
      assert.equal(await messageOf(ask(operator, no)), foreign, no)
    assert.ok(await ask(operator, 'other'))
  }
})

test('a call that the scopes do not cover is forbidden in the own org, and "not found" in another', async () => {
  const { orgs, as, token } = rig()
  const viewer = as('viewer')
  const limits = { maxPins: 3 }
  await assert.rejects(orgs.get(token('pins:write'), 'acme'), refusal('forbidden'))
  for (const principal of [viewer, as('owner'), token('org:admin')]) {
    await assert.rejects(orgs.set(principal, 'acme', limits), refusal('forbidden'))
    await assert.rejects(orgs.set(principal, 'other', limits), refusal('not_found'))
    await assert.rejects(orgs.create(principal, 'mine', {}), refusal('forbidden'))
  }
  await assert.rejects(orgs.audit(viewer, 'acme', { limit: 1 }), refusal('forbidden'))
  await assert.rejects(orgs.audit(as('owner'), 'other', { limit: 1 }), refusal('not_found'))
  assert.deepEqual(await orgs.audit(as('admin'), 'acme', { limit: 1 }), [])
})

test('an operator makes an org and changes its limits; null removes a limit, and a limit that is left out stays', async () => {
  const { orgs } = rig()
  const made = await orgs.create(operator, 'new', { maxPins: 10, defaultReplicas: 2 })
  assert.deepEqual([made.limits.maxPins, made.defaultReplicas], [10, 2])
  const changed = await orgs.set(operator, 'new', { maxPins: null, maxBytes: 5 })
  assert.deepEqual(changed.limits, { maxPins: null, maxBytes: 5, maxReplicas: null })
  assert.equal(changed.defaultReplicas, 2)
  await assert.rejects(orgs.set(operator, 'new', { maxReplicas: 1 }), refusal('invalid'))
  await assert.rejects(orgs.set(operator, 'new', { maxReplicas: 3, defaultReplicas: 4 }), refusal('invalid'))
  await assert.rejects(orgs.create(operator, 'new', {}), refusal('conflict'))
})

test('a list has all orgs for an operator, the orgs of its memberships for a person, and its own org for a token', async () => {
  const { fake, orgs, acme, as, token } = rig()
  fake.newOrg('beta')
  const slugs = async (principal: AnyPrincipal, after = '', limit = 10) =>
    (await orgs.list(principal, { after, limit })).map(({ org, role }) => [org.slug, role])
  assert.deepEqual(await slugs(operator), [
    ['acme', null],
    ['beta', null],
    ['other', null],
  ])
  assert.deepEqual(await slugs(operator, 'acme', 1), [['beta', null]])
  const person = as('admin')
  assert.deepEqual(await slugs(person), [['acme', 'admin']])
  assert.deepEqual(await slugs(person, 'acme'), [])
  assert.deepEqual(await slugs({ ...person, orgId: null, scopes: new Set() }), [['acme', 'admin']])
  assert.deepEqual(await slugs({ ...person, scopes: operator.scopes }, '', 1), [['acme', 'admin']])
  assert.deepEqual(await slugs(token('pins:read')), [['acme', null]])
  await assert.rejects(slugs(token('pins:write')), refusal('forbidden'))
  assert.deepEqual(await slugs({ actor: mintId('usr'), orgId: acme.id, scopes: new Set() }), [])
})

test('admins change members, but only an owner or an operator makes, changes and removes owners', async () => {
  const { fake, orgs, acme, as, token } = rig()
  const [owner, admin, member] = [as('owner'), as('admin'), as('member')]
  const newcomer = mintId('usr')
  assert.deepEqual((await orgs.setMember(admin, 'acme', newcomer, 'member')).role, 'member')
  assert.equal((await orgs.setMember(token('org:admin'), 'acme', newcomer, 'admin')).source, 'manual')
  for (const principal of [admin, token('org:admin')]) {
    await assert.rejects(orgs.setMember(principal, 'acme', newcomer, 'owner'), refusal('forbidden'))
    await assert.rejects(orgs.setMember(principal, 'acme', owner.actor, 'viewer'), refusal('forbidden'))
    await assert.rejects(orgs.removeMember(principal, 'acme', owner.actor), refusal('forbidden'))
  }
  await assert.rejects(orgs.setMember(member, 'acme', newcomer, 'viewer'), refusal('forbidden'))
  await assert.rejects(orgs.removeMember(member, 'acme', newcomer), refusal('forbidden'))
  await assert.rejects(orgs.removeMember(owner, 'acme', owner.actor), refusal('conflict'))
  await assert.rejects(orgs.setMember(owner, 'acme', owner.actor, 'admin'), refusal('conflict'))
  await orgs.setMember(owner, 'acme', newcomer, 'owner')
  await orgs.removeMember(owner, 'acme', owner.actor)
  await orgs.setMember(operator, 'other', newcomer, 'owner')
  await orgs.removeMember(operator, 'acme', admin.actor)
  assert.deepEqual(
    fake.kept.members.get(acme.id)?.map(({ userId }) => userId),
    [member.actor, newcomer],
  )
  for (const stranger of ['usr_x', 'tok_01h455vb4pex5vsknk084sn02q', mintId('usr')])
    await assert.rejects(orgs.removeMember(operator, 'acme', stranger), refusal('not_found'))
  await assert.rejects(orgs.setMember(operator, 'acme', "x' or 1=1", 'viewer'), refusal('not_found'))
})

test('any member may leave its org, and finds no other org to leave', async () => {
  const { orgs, as } = rig()
  const viewer = as('viewer')
  await assert.rejects(orgs.removeMember(viewer, 'other', viewer.actor), refusal('not_found'))
  await orgs.removeMember(viewer, 'acme', viewer.actor)
})

test('tokens that a change of members revokes are announced, and a failed announcement fails nothing', async () => {
  const { fake, orgs, tokens, acme, as, warnings } = rig()
  const member = as('member')
  const maker = { ...member, orgId: acme.id, until: null }
  const { token } = await tokens.create(maker, { name: null, scopes: ['pins:write'] })
  fake.deaf = true
  await orgs.setMember(operator, 'acme', member.actor, 'viewer')
  assert.equal(warnings.length, 1)
  fake.deaf = false
  await orgs.setMember(operator, 'acme', member.actor, 'viewer')
  assert.deepEqual(
    fake.announced.flatMap((each) => each.tokens),
    [token.id],
  )
})
