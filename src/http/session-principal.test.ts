import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import { scopesOf, type Role, type Session } from '../core/org.ts'
import { principalOfSession, whyNot } from './session-principal.ts'

const [acme, beta] = [mintId('org'), mintId('org')]
const nothing = { path: undefined, header: undefined }

function session(memberships: [typeof acme, string, Role][], operator = false): Session {
  const at = new Date(0)
  const user = { id: mintId('usr'), issuer: 'i', subject: 's', name: null, email: null, operator }
  return {
    id: mintId('ses'),
    user,
    memberships: memberships.map(([orgId, slug, role]) => ({ orgId, slug, role, suspended: null })),
    createdAt: at,
    lastSeenAt: at,
    expiresAt: at,
  }
}

test('a member of one org need not name it, and may name it by id or slug', () => {
  const one = session([[acme, 'acme', 'member']])
  for (const named of [
    nothing,
    { ...nothing, header: 'acme' },
    { ...nothing, header: acme },
    { ...nothing, path: acme },
  ]) {
    const principal = principalOfSession(one, named)
    assert.equal(principal.actor, one.user.id)
    assert.equal(principal.orgId, acme)
    assert.deepEqual([...principal.scopes], ['pins:read', 'pins:write', 'pins:delete', 'tokens:manage'])
  }
})

test('a member of several orgs has to name one', () => {
  const two = session([
    [acme, 'acme', 'owner'],
    [beta, 'beta', 'viewer'],
  ])
  const unnamed = principalOfSession(two, nothing)
  assert.deepEqual([unnamed.orgId, unnamed.scopes.size], [null, 0])
  assert.deepEqual([...principalOfSession(two, { ...nothing, header: 'beta' }).scopes], ['pins:read'])
  assert.equal(principalOfSession(two, { path: 'acme', header: 'beta' }).orgId, acme, 'the path counts')
  assert.match(whyNot(two, unnamed, ['pins:read']).message, /anchorage-org \(acme, beta\)/)
})

test('a foreign org looks like one that does not exist, however it is named', () => {
  const one = session([[acme, 'acme', 'owner']])
  const errors = ['beta', beta, 'nothing', mintId('org'), '', 'ACME', "' or 1=1"].flatMap((name) =>
    [
      { ...nothing, header: name },
      { ...nothing, path: name },
    ].map((named) => {
      try {
        return principalOfSession(one, named)
      } catch (error) {
        return String(error)
      }
    }),
  )
  assert.deepEqual(new Set(errors), new Set(['AnchorageError: there is no org with this name']))
})

test('an operator may use pins only in orgs it is a member of, and may name any org in a path', () => {
  const operator = session([[acme, 'acme', 'viewer']], true)
  assert.deepEqual([...principalOfSession(operator, nothing).scopes], ['pins:read', 'cluster:admin'])
  assert.throws(() => principalOfSession(operator, { ...nothing, header: 'beta' }), { code: 'not_found' })
  const elsewhere = principalOfSession(operator, { ...nothing, path: 'beta' })
  assert.deepEqual([elsewhere.orgId, [...elsewhere.scopes]], [null, ['cluster:admin']])
})

test('in a suspended org members may do nothing and get the reason; other orgs are unaffected, and operators keep cluster:admin', () => {
  const two = session([
    [acme, 'acme', 'owner'],
    [beta, 'beta', 'member'],
  ])
  const [stopped] = two.memberships
  assert.ok(stopped)
  stopped.suspended = 'reported for abuse'
  for (const named of [
    { ...nothing, header: 'acme' },
    { ...nothing, path: acme },
  ]) {
    const principal = principalOfSession(two, named)
    assert.deepEqual([principal.orgId, principal.scopes.size], [acme, 0])
    for (const scope of ['pins:read', 'org:admin', 'cluster:admin'] as const)
      assert.equal(
        String(whyNot(two, principal, [scope])),
        'AnchorageError: this org is suspended: reported for abuse',
      )
  }
  assert.deepEqual(principalOfSession(two, { ...nothing, header: 'beta' }).scopes, scopesOf('member'))
  const operator = { ...two, user: { ...two.user, operator: true } }
  assert.deepEqual([...principalOfSession(operator, { ...nothing, path: 'acme' }).scopes], ['cluster:admin'])
})

test('a refusal says why', () => {
  const stranger = session([])
  assert.match(
    whyNot(stranger, principalOfSession(stranger, nothing), ['pins:read']).message,
    /not a member of any org/,
  )
  assert.match(
    whyNot(stranger, principalOfSession(stranger, nothing), ['cluster:admin']).message,
    /scope cluster:admin/,
  )
  const viewer = session([[acme, 'acme', 'viewer']])
  assert.match(
    whyNot(viewer, principalOfSession(viewer, nothing), ['pins:write']).message,
    /pins:write.*your role/,
  )
})
