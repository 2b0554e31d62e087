import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupGrants, issuer, origin } from './login-kinds.ts'

test('an issuer is kept byte for byte, and may use plain HTTP on loopback only', () => {
  const good = [
    'https://login.example.com',
    'https://login.example.com/application/o/anchorage/',
    'http://127.0.0.1:9000',
    'http://localhost:9000/realms/a',
    'http://[::1]:9000',
  ]
  for (const given of good) assert.equal(issuer.parse(given), given)
  for (const given of [
    'http://login.example.com',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'ftp://127.0.0.1',
    'https://user:password@login.example.com',
    'https://login.example.com/?a=b',
    'https://login.example.com/#a',
    'login.example.com',
    '',
  ])
    assert.throws(() => issuer.parse(given), /expected the https:/, given)
})

test('the public address is an origin', () => {
  assert.equal(origin.parse('https://pins.example.com'), 'https://pins.example.com')
  assert.equal(origin.parse('https://pins.example.com/'), 'https://pins.example.com')
  assert.equal(origin.parse('https://pins.example.com:443'), 'https://pins.example.com')
  assert.equal(origin.parse('http://127.0.0.1:8080'), 'http://127.0.0.1:8080')
  for (const given of [
    'http://pins.example.com',
    'https://pins.example.com/api',
    'https://a@pins.example.com',
    'pins.example.com',
  ])
    assert.throws(() => origin.parse(given), /expected an origin/, given)
})

test('group grants are checked when the config is read', () => {
  assert.deepEqual(groupGrants.parse(' staff=acme:admin , ops=operator '), [
    'staff=acme:admin',
    'ops=operator',
  ])
  assert.deepEqual(groupGrants.parse(''), [])
  assert.throws(() => groupGrants.parse('staff=acme:boss'), /expected GROUP=SLUG:ROLE/)
})
