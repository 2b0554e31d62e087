import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { IpfsError } from '../core/ipfs-error.ts'
import { refusalOf } from './address-policy.ts'
import { testDns, txt } from '../../testing/servers/dns.ts'
import { nameResolver, type ResolveName } from './origin-names.ts'
import { dialable } from './origin-policy.ts'

const peer = '12D3KooWPt9Y9Kqa4Lq8tWoMUkuz96ooswpuFLam6fqZ5udvAsJf'
const other = '12D3KooWBhMbLvQLgFPV8kRzL1xRwUAtNdzC8AFBRzpcFgEePPbT'
const signal = new AbortController().signal

const publicAddresses = ['8.8.8.8', '1.1.1.1', '100.63.255.255', '2606:4700::1111', '2a00:1450::1']
const privateAddresses = ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '127.0.0.1', '127.8.8.8']
const privateToo = ['100.64.0.1', '100.127.255.255', '::1', 'fc00::1', 'fd12:3456::1']
const neverAddresses = {
  'this network': ['0.0.0.0', '0.1.2.3', '::'],
  'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fec0::1'],
  metadata: ['169.254.169.254', '168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254'],
  'multicast and broadcast': ['224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1', 'ff0e::1'],
  reserved: [
    '240.0.0.1',
    '192.0.0.1',
    '192.0.2.1',
    '198.51.100.1',
    '203.0.113.1',
    '198.18.0.1',
    '192.88.99.1',
  ],
  'reserved of IPv6': ['2001:db8::1', '100::1', '3fff::1', '5f00::1', '2001:20::1', '4000::1', 'e000::1'],
  'mapped IPv4': [
    '::ffff:8.8.8.8',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    '::ffff:0:8.8.8.8',
  ],
  NAT64: ['64:ff9b::8.8.8.8', '64:ff9b::7f00:1', '64:ff9b:1::1'],
  '6to4 and Teredo': ['2002:7f00:1::1', '2002:808:808::1', '2001::1'],
  'a text that is not an address': [
    '',
    'localhost',
    '1.2.3',
    '0x7f.1',
    '1.2.3.4.5',
    'fe80::1%eth0',
    '::1/64',
  ],
}

test('public unicast addresses may be dialled', () => {
  for (const address of publicAddresses)
    for (const allowPrivate of [false, true]) assert.equal(refusalOf(address, allowPrivate), null, address)
})

test('private networks and loopback may be dialled only where that is allowed', () => {
  for (const address of [...privateAddresses, ...privateToo]) {
    assert.notEqual(refusalOf(address, false), null, address)
    assert.equal(refusalOf(address, true), null, address)
  }
})

for (const [what, addresses] of Object.entries(neverAddresses))
  test(`${what} is never dialled`, () => {
    for (const address of addresses)
      for (const allowPrivate of [false, true])
        assert.notEqual(refusalOf(address, allowPrivate), null, address)
  })

test('a direct address over TCP or UDP is dialled as it is', async () => {
  const tails = [
    '/tcp/4001',
    '/tcp/4001/ws',
    '/tcp/443/wss',
    '/tcp/443/tls/ws',
    '/tcp/443/tls/sni/example.com/ws',
    '/udp/4001/quic-v1',
    '/udp/4001/quic-v1/webtransport/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ',
    '/udp/4001/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ',
  ]
  for (const host of ['/ip4/8.8.8.8', '/ip6/2606:4700::1111'])
    for (const tail of tails)
      assert.deepEqual(await dial(`${host}${tail}/p2p/${peer}`), [`${host}${tail}/p2p/${peer}`])
})

test('an origin that is not a direct address is refused permanently, even when private origins are allowed', async () => {
  const refused = [
    '',
    'garbage',
    '/',
    `/p2p/${peer}`,
    '/ip4/8.8.8.8/tcp/4001',
    '/ip4/8.8.8.8/tcp/4001/p2p/nobody',
    `/ip4/8.8.8.8/p2p/${peer}`,
    `/ip4/8.8.8.8/tcp/0/p2p/${peer}`,
    `/ip4/8.8.8.8/udp/4001/p2p/${peer}`,
    `/ip4/8.8.8.8/tcp/4001/p2p/${peer}/p2p-circuit/p2p/${other}`,
    `/ip4/8.8.8.8/tcp/4001/p2p/${other}/p2p/${peer}`,
    `/ip4/8.8.8.8/tcp/4001/ip4/127.0.0.1/tcp/5001/p2p/${peer}`,
    `/ip4/8.8.8.8/tcp/4001/http/p2p/${peer}`,
    `/p2p-circuit/p2p/${peer}`,
    `/unix/tmp%2Fx/p2p/${peer}`,
    `/unix/tmp/x/p2p/${peer}`,
    `/unix/p2p/${other}/tmp/x/p2p/${peer}`,
    `/ip6zone/eth0/ip6/fe80::1/tcp/4001/p2p/${peer}`,
    `/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:80/p2p/${peer}`,
    `/memory/1/p2p/${peer}`,
    `/ip4/8.8.8.8/ipcidr/8/tcp/4001/p2p/${peer}`,
    `/ip4/169.254.169.254/tcp/80/p2p/${peer}`,
    `/ip6/::ffff:127.0.0.1/tcp/4001/p2p/${peer}`,
  ]
  for (const origin of refused)
    await assert.rejects(dial(origin, { allowPrivateOrigins: true }), forGood, origin)
})

test('private origins are refused unless they are allowed', async () => {
  for (const address of privateAddresses) {
    const origin = `/ip4/${address}/tcp/4001/p2p/${peer}`
    await assert.rejects(dial(origin), forGood)
    assert.deepEqual(await dial(origin, { allowPrivateOrigins: true }), [origin])
  }
})

test('a name is dialled by its current addresses, each checked', async () => {
  const resolveName = zone({
    dns4: { 'a.example': ['8.8.8.8', '10.0.0.1', '127.0.0.1'] },
    dns6: { 'a.example': ['2606:4700::1111'] },
  })
  const tail = `/tcp/4001/p2p/${peer}`
  assert.deepEqual(await dial(`/dns4/a.example${tail}`, { resolveName }), [`/ip4/8.8.8.8${tail}`])
  assert.deepEqual(await dial(`/dns6/a.example${tail}`, { resolveName }), [`/ip6/2606:4700::1111${tail}`])
  assert.deepEqual(await dial(`/dns/a.example${tail}`, { resolveName }), [
    `/ip4/8.8.8.8${tail}`,
    `/ip6/2606:4700::1111${tail}`,
  ])
})

test('a name with only private addresses is refused permanently; a name without addresses may be tried again', async () => {
  const resolveName = zone({ dns4: { 'inside.example': ['10.0.0.1'] } })
  await assert.rejects(dial(`/dns4/inside.example/tcp/1/p2p/${peer}`, { resolveName }), forGood)
  await assert.rejects(
    dial(`/dns4/unknown.example/tcp/1/p2p/${peer}`, { resolveName }),
    (error) => error instanceof IpfsError && error.code === 'bad_origin' && !error.permanent,
  )
})

test('names are refused when there is no resolver', async () => {
  for (const host of ['dns', 'dns4', 'dns6'])
    await assert.rejects(dial(`/${host}/a.example/tcp/1/p2p/${peer}`, { resolveName: null }), forGood)
  await assert.rejects(dial(`/dnsaddr/a.example/p2p/${peer}`, { resolveName: null }), forGood)
})

test('a TLS server that is dialled by its address is told the name in the origin', async () => {
  const resolveName = zone({ dns4: { 'a.example': ['8.8.8.8'] } })
  for (const tls of ['/wss', '/tls/ws', '/tls/sni/a.example/ws'])
    assert.deepEqual(await dial(`/dns4/a.example/tcp/443${tls}/p2p/${peer}`, { resolveName }), [
      `/ip4/8.8.8.8/tcp/443/tls/sni/a.example/ws/p2p/${peer}`,
    ])
})

test('a dnsaddr is followed to addresses of the same peer, each checked, and only to a limited depth', async () => {
  const tail = `/tcp/4001/p2p/${peer}`
  const resolveName = zone({
    dnsaddr: {
      'a.example': [
        `/ip4/8.8.8.8${tail}`,
        `/ip4/10.0.0.1${tail}`,
        `/ip4/1.1.1.1/tcp/4001/p2p/${other}`,
        `/dnsaddr/b.example/p2p/${peer}`,
        'garbage',
      ],
      'b.example': [`/ip4/9.9.9.9${tail}`],
      'loop.example': [`/dnsaddr/loop.example/p2p/${peer}`],
    },
  })
  assert.deepEqual(await dial(`/dnsaddr/a.example/p2p/${peer}`, { resolveName }), [
    `/ip4/8.8.8.8${tail}`,
    `/ip4/9.9.9.9${tail}`,
  ])
  await assert.rejects(dial(`/dnsaddr/loop.example/p2p/${peer}`, { resolveName }), forGood)
})

test('an origin costs at most 32 DNS queries, however its names branch, and no query is sent twice', async () => {
  const asked: string[] = []
  const tail = `/p2p/${peer}`
  /** Three levels of 16 names each; each name of the last level has 16 more. */
  await using dns = await testDns((question) => {
    asked.push(question)
    const [, base = ''] = /^_dnsaddr\.(\S+) TXT$/.exec(question) ?? []
    if (base === '') return []
    const [kind, rest] = base.split('.').length < 3 ? ['dnsaddr', tail] : ['dns', `/tcp/1${tail}`]
    return Array.from({ length: 16 }, (_, i) => txt(`dnsaddr=/${kind}/${i}.${base}${rest}`))
  })
  const resolveName = nameResolver({ servers: [dns.address] })
  await assert.rejects(dial(`/dnsaddr/t${tail}`, { resolveName }), IpfsError)
  assert.equal(asked.length, 32)

  asked.length = 0
  const records = { t: Array(16).fill(`/dnsaddr/u${tail}`), u: Array(16).fill(`/dns/v/tcp/1${tail}`) }
  const counted: ResolveName = (name, kind, given) => {
    asked.push(`${name} ${kind}`)
    return zone({ dnsaddr: records })(name, kind, given)
  }
  await assert.rejects(dial(`/dnsaddr/t${tail}`, { resolveName: counted }), IpfsError)
  assert.deepEqual(asked, ['t dnsaddr', 'u dnsaddr', 'v dns4', 'v dns6'])
})

test('at most sixteen addresses of one origin are dialled', async () => {
  const many = Array.from({ length: 200 }, (_, i) => `8.8.4.${i}`)
  const resolveName = zone({ dns4: { 'many.example': many } })
  assert.equal((await dial(`/dns4/many.example/tcp/1/p2p/${peer}`, { resolveName })).length, 16)
})

function dial(
  origin: string,
  policy: { allowPrivateOrigins?: boolean; resolveName?: ResolveName | null } = {},
): Promise<string[]> {
  return dialable(origin, { allowPrivateOrigins: false, resolveName: null, signal, ...policy })
}

function zone(records: Partial<Record<'dns4' | 'dns6' | 'dnsaddr', Record<string, string[]>>>): ResolveName {
  return async (name, kind) => records[kind]?.[name] ?? []
}

function forGood(error: unknown): boolean {
  return error instanceof IpfsError && error.code === 'bad_origin' && error.permanent
}
