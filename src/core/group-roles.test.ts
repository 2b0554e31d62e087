import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { groupRules, rightsFromGroups } from './group-roles.ts'
import { roles } from './org.ts'

const byPrefix = groupRules('anchorage:', [])

test('groups give the greatest role in each org, and make operators', () => {
  const groups = [
    'anchorage:acme:member',
    'anchorage:acme:admin',
    'anchorage:acme:viewer',
    'anchorage:b-2:owner',
  ]
  assert.deepEqual(rightsFromGroups(groups, byPrefix), {
    operator: false,
    roles: [
      { slug: 'acme', role: 'admin' },
      { slug: 'b-2', role: 'owner' },
    ],
  })
  assert.deepEqual(rightsFromGroups(['anchorage:operators'], byPrefix), { operator: true, roles: [] })
})

test('a group whose name only resembles one of ours gives no role', () => {
  const groups = [
    'anchorage:acme',
    'anchorage:acme:',
    'anchorage:acme:root',
    'anchorage:acme:Admin',
    'anchorage:acme:admin ',
    'anchorage:ACME:admin',
    'anchorage::admin',
    'anchorage:acme:admin:owner',
    'anchorage:operator',
    'operators',
    'xanchorage:acme:admin',
    'Anchorage:acme:admin',
    ' anchorage:operators',
    '',
  ]
  assert.deepEqual(rightsFromGroups(groups, byPrefix), { operator: false, roles: [] })
})

test('groups named in the config give the roles that it lists, also several', () => {
  const rules = groupRules('anchorage:', [
    'staff=acme:member',
    'cn=it,ou=groups=acme:admin',
    'cn=it,ou=groups=operator',
    'staff=beta:viewer',
  ])
  assert.deepEqual(rightsFromGroups(['staff', 'others'], rules).roles, [
    { slug: 'acme', role: 'member' },
    { slug: 'beta', role: 'viewer' },
  ])
  assert.deepEqual(rightsFromGroups(['cn=it,ou=groups'], rules), {
    operator: true,
    roles: [{ slug: 'acme', role: 'admin' }],
  })
})

test('a config line without a valid grant is refused, and the error says what was expected', () => {
  for (const line of [
    'staff',
    'staff=',
    '=acme:admin',
    'staff=acme',
    'staff=acme:boss',
    'staff=Acme:admin',
    'staff=operators',
  ])
    assert.throws(() => groupRules('x', [line]), {
      code: 'invalid',
      message: /expected GROUP=SLUG:ROLE or GROUP=operator/,
    })
})

test('neither order nor repetition of groups changes what they give', () => {
  const group = fc.oneof(
    fc
      .tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(...roles))
      .map(([slug, role]) => `anchorage:${slug}:${role}`),
    fc.constantFrom('anchorage:operators', 'staff'),
    fc.string(),
  )
  const sorted = (groups: string[]) => {
    const { operator, roles: given } = rightsFromGroups(groups, byPrefix)
    return { operator, roles: given.toSorted((a, b) => a.slug.localeCompare(b.slug)) }
  }
  fc.assert(
    fc.property(fc.array(group, { maxLength: 20 }), (groups) => {
      assert.deepEqual(sorted([...groups, ...groups].toReversed()), sorted(groups))
    }),
  )
})
