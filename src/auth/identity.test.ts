import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingClaims, personIn } from './identity.ts'

const names = { name: 'name', email: 'email', groups: 'groups' }

test('a person is read from the claims that the config names', () => {
  const claims = { name: 'Ada', email: 'ada@example.com', groups: ['a', 'b'] }
  assert.deepEqual(personIn(claims, names), claims)
  const renamed = { name: 'nick', email: 'https://example.com/mail', groups: 'realm_access.roles' }
  const keycloak = {
    nick: 'Ada',
    'https://example.com/mail': 'ada@example.com',
    realm_access: { roles: ['a'] },
  }
  assert.deepEqual(personIn(keycloak, renamed), { name: 'Ada', email: 'ada@example.com', groups: ['a'] })
})

test('a malformed claim is treated as missing', () => {
  const nothing = { name: null, email: null, groups: [] }
  for (const odd of [undefined, null, 1, true, {}, { length: 1, 0: 'a' }])
    assert.deepEqual(personIn({ name: odd, email: odd, groups: odd }, names), nothing)
  assert.deepEqual(personIn({ name: ['a'], email: [], groups: [1, null, ['x'], 'a'] }, names), {
    ...nothing,
    groups: ['a'],
  })
  assert.deepEqual(personIn({ groups: 'only' }, names).groups, ['only'])
  assert.deepEqual(personIn({}, { name: 'constructor', email: '__proto__', groups: 'toString' }), nothing)
  assert.deepEqual(personIn({}, { name: 'constructor.name', email: '__proto__.x', groups: 'a.b' }), nothing)
})

test('texts for people lose control characters and are cut after 255 characters', () => {
  const { name, email } = personIn({ name: ' A\u0000d\r\na\u001b[31m ', email: 'x'.repeat(1000) }, names)
  assert.equal(name, 'A d a [31m')
  assert.equal(email?.length, 255)
  assert.equal(personIn({ name: ' \n ' }, names).name, null)
})

test('claims that the ID token leaves out are reported as missing', () => {
  assert.deepEqual(missingClaims({ name: null, groups: [] }, names), ['email'])
  assert.deepEqual(missingClaims({ name: '', email: '', groups: '' }, names), [])
})
