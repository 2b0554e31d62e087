import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address, durationUpTo, networks, parseDuration, parseSize, zone } from './kinds.ts'

test('durations are parsed to milliseconds', () => {
  const given = {
    '500ms': 500,
    '90s': 90_000,
    '30m': 1_800_000,
    '2h': 7_200_000,
    '7d': 604_800_000,
    '1.5h': 5_400_000,
  }
  for (const [text, ms] of Object.entries(given)) assert.equal(parseDuration(text), ms, text)
})

test('sizes are parsed to bytes', () => {
  const given = {
    '4096': 4096,
    '1B': 1,
    '64KiB': 65_536,
    '10GiB': 10_737_418_240,
    '1TB': 1e12,
    '1.5KiB': 1536,
  }
  for (const [text, count] of Object.entries(given)) assert.equal(parseSize(text), count, text)
})

test('a duration needs a unit, and malformed durations and sizes are refused', () => {
  for (const text of [
    '',
    '90',
    '-1s',
    's',
    '1 hour',
    '1h30m',
    '1e3s',
    '99999999999999d',
    'constructor',
    '1toString',
  ]) {
    assert.throws(() => parseDuration(text), /expected a duration/, text)
    if (text !== '90') assert.throws(() => parseSize(text), /expected a size/, text)
  }
})

test('addresses may be names, IPv4 or bracketed IPv6', () => {
  assert.deepEqual(address.parse('localhost:0'), { host: 'localhost', port: 0 })
  assert.deepEqual(address.parse('[::1]:8080'), { host: '::1', port: 8080 })
  for (const text of ['8080', ':8080', '127.0.0.1', '::1:8080', 'a:99999', 'http://a:80']) {
    assert.throws(() => address.parse(text), /expected host:port/, text)
  }
})

test('networks are CIDRs, and a network of all addresses is refused', () => {
  assert.deepEqual(networks.parse(''), [])
  assert.deepEqual(networks.parse('10.1.0.0/16, 2001:db8::/48,192.0.2.7/32'), [
    '10.1.0.0/16',
    '2001:db8::/48',
    '192.0.2.7/32',
  ])
  const wrong = [
    'true',
    '1',
    'loopback',
    '*',
    'proxy.example',
    '10.1.2.3',
    '::1',
    '10.0.0.0/8/8',
    '/8',
    '10.0.0.0/',
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/00',
    '10.0.0.0/33',
    '::1/129',
    '10.0.0.0/-1',
    '10.0.0.0/255.0.0.0',
    '10.1/16',
    '010.0.0.0/8',
    '::ffff:10.0.0.0/104',
    'fe80::1%eth0/64',
    '10.0.0.0 /8',
    '10.0.0.0/8;::/1',
  ]
  for (const text of wrong) {
    assert.throws(() => networks.parse(text), /expected networks such as/, text)
    assert.throws(() => networks.parse(`10.0.0.0/8,${text}`), /expected networks/, text)
  }
})

test('a duration with a maximum may be as long as that, and no longer', () => {
  const kind = durationUpTo(60_000, '1m')
  assert.equal(kind.parse('60s'), 60_000)
  assert.equal(kind.parse('0s'), 0)
  assert.throws(() => kind.parse('61s'), /at most 1m/)
})

test('a zone is a short name', () => {
  for (const given of ['eu-west-1a', 'rack/7', 'A', 'x'.repeat(64)]) assert.equal(zone.parse(given), given)
  for (const given of ['', ' ', 'rack 7', '-a', 'a-', 'x'.repeat(65), 'a\nb', 'zürich'])
    assert.throws(() => zone.parse(given), /at most 64 letters/, given)
})
