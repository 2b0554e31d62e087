import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clientAddress, sharersOf } from './client-address.ts'

/** A request that came in from `from` with these headers. */
function request(from: string | undefined, headers: Record<string, string | string[]> = {}) {
  return { raw: { socket: { remoteAddress: from }, headers } } as unknown as Parameters<
    ReturnType<typeof clientAddress>
  >[0]
}

const claims = {
  'x-forwarded-for': '203.0.113.9',
  forwarded: 'for=203.0.113.9;proto=https;by=203.0.113.43',
  'x-real-ip': '203.0.113.9',
  'x-client-ip': '203.0.113.9',
  'cf-connecting-ip': '203.0.113.9',
  'true-client-ip': '203.0.113.9',
}

test('a direct client has the address of its socket, whatever its headers say', () => {
  const none = clientAddress([])
  const some = clientAddress(['10.0.0.0/8', '2001:db8:aaaa::/48'])
  for (const addressOf of [none, some]) {
    assert.equal(addressOf(request('198.51.100.7', claims)), '198.51.100.7')
    assert.equal(addressOf(request('2001:db8:1::7', claims)), '2001:db8:1::7')
    assert.equal(addressOf(request('::ffff:198.51.100.7', claims)), '198.51.100.7')
    assert.equal(addressOf(request(undefined, claims)), 'unknown')
  }
  assert.equal(none(request('127.0.0.1', claims)), '127.0.0.1', 'not even loopback is a proxy by itself')
})

test('a trusted proxy names its client, and what the client wrote before that is ignored', () => {
  const addressOf = clientAddress(['10.0.0.0/8', '2001:db8:aaaa::/48'])
  const through = (said: string | string[], from = '10.1.2.3'): string =>
    addressOf(request(from, { ...claims, 'x-forwarded-for': said }))
  assert.equal(through('198.51.100.7'), '198.51.100.7')
  assert.equal(through('203.0.113.9, 198.51.100.7'), '198.51.100.7')
  assert.equal(through('203.0.113.9,198.51.100.7, 10.9.9.9'), '198.51.100.7', 'two proxies in a row')
  assert.equal(through(['203.0.113.9', '198.51.100.7']), '198.51.100.7', 'the header twice')
  assert.equal(through('10.9.9.9, 198.51.100.7'), '198.51.100.7', 'a client that poses as a proxy')
  assert.equal(through('198.51.100.7', '::ffff:10.1.2.3'), '198.51.100.7', 'a proxy on a dual-stack socket')
  assert.equal(through('198.51.100.7', '2001:db8:aaaa::1'), '198.51.100.7', 'a proxy over IPv6')
  assert.equal(through('2001:db8:1::7', '2001:db8:aaaa::1'), '2001:db8:1::7')
  assert.equal(through('10.7.7.7'), '10.7.7.7', 'a client in the network of the proxies')
})

test('all spellings of an address are the same address', () => {
  const addressOf = clientAddress(['10.0.0.0/8'])
  const through = (said: string): string => addressOf(request('10.1.2.3', { 'x-forwarded-for': said }))
  for (const said of [
    '198.51.100.7:4711',
    '198.51.100.7',
    ' 198.51.100.7 ',
    '::ffff:198.51.100.7',
    '[::ffff:c633:6407]:9',
  ])
    assert.equal(through(said), '198.51.100.7', said)
  for (const said of ['[2001:db8::7]:4711', '[2001:db8::7]', '2001:DB8:0::0:7', '2001:db8::7%eth0'])
    assert.equal(through(said), '2001:db8::7', said)
})

test('if a proxy names no client, its own address counts', () => {
  const addressOf = clientAddress(['10.0.0.0/8'])
  for (const said of [
    '',
    ',',
    'unknown',
    '_hidden',
    '127.1',
    '0x7f.1',
    '010.1.2.3',
    '1.2.3.4.5',
    '"198.51.100.7"',
    'for=198.51.100.7',
  ])
    assert.equal(addressOf(request('10.1.2.3', { 'x-forwarded-for': said })), '10.1.2.3', said)
  const long = Array.from({ length: 10_000 }, () => '10.1.1.1').join(',')
  assert.equal(addressOf(request('10.1.2.3', { 'x-forwarded-for': `203.0.113.9,${long}` })), '10.1.1.1')
})

test('a client has the address that its proxy appends, whatever it sends itself', () => {
  const addressOf = clientAddress(['10.0.0.0/8', '2001:db8:aaaa::/48'])
  const group = fc.integer({ min: 0, max: 0xffff }).map((bits) => bits.toString(16))
  const address = fc.oneof(
    fc.ipV4().filter((ip) => !ip.startsWith('10.')),
    fc.array(group, { minLength: 6, maxLength: 6 }).map((groups) => `2001:db8:${groups.join(':')}`),
  )
  fc.assert(
    fc.property(fc.oneof(fc.string(), address, fc.constant('10.0.0.1')), address, (invented, client) => {
      const alone = addressOf(request(client))
      assert.equal(addressOf(request('10.0.0.1', { 'x-forwarded-for': `${invented}, ${client}` })), alone)
    }),
  )
})

test('an IPv6 address shares its limits with its /64 and its /48, and IPv4 within IPv6 counts as IPv4', () => {
  assert.deepEqual(sharersOf('198.51.100.7'), ['198.51.100.7'])
  assert.deepEqual(sharersOf('2001:db8:1:2:3:4:5:6'), ['2001:db8:1:2::/64', '2001:db8:1::/48'])
  assert.deepEqual(sharersOf('2001:db8:1:2::1'), ['2001:db8:1:2::/64', '2001:db8:1::/48'])
  assert.deepEqual(sharersOf('64:ff9b::c633:6407'), ['198.51.100.7'])
  assert.deepEqual(sharersOf('unknown'), ['unknown'])
})
