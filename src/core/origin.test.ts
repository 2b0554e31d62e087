import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isCode } from './errors.ts'
import { parseOrigin, usableOrigins } from './origin.ts'

const qm = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
const ed = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'

test('addresses that Kubo and other IPFS nodes announce are accepted unchanged', () => {
  const good = [
    `/ip4/127.0.0.1/tcp/4001/p2p/${qm}`,
    `/ip6/::1/udp/4001/quic-v1/p2p/${ed}`,
    `/ip4/203.0.113.1/udp/4001/quic-v1/webtransport/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ/certhash/uEiAfbgiymPP2_nX7Dgir8B4QkksjHp2lVuJZz0F79Be9JA/p2p/${ed}`,
    `/ip4/203.0.113.1/udp/4001/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ/p2p/${ed}`,
    `/ip4/203.0.113.1/tcp/4001/tls/sni/*.k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel3r.libp2p.direct/ws/p2p/${ed}`,
    `/dns4/relay.example/tcp/443/wss/p2p/${qm}/p2p-circuit/p2p/${ed}`,
    `/dnsaddr/bootstrap.example/p2p/${qm}`,
    `/ip4/127.0.0.1/tcp/4001/ipfs/${qm}`,
    `/unix/run/ipfs.sock/p2p/${ed}`,
    `/unix/run%2Fipfs.sock/p2p/${ed}`,
    `/p2p/${ed}`,
    '/p2p/k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel3r',
  ]
  for (const text of good) assert.equal(parseOrigin(text), text)
})

test('an address that names no peer is refused with a reason', () => {
  const wrong: [string, RegExp][] = [
    ['', /parsed|end in/],
    ['nonsense', /parsed/],
    ['/', /empty part/],
    ['/ip4/127.0.0.1/tcp/4001', /end in \/p2p/],
    [`/ip4/127.0.0.1/tcp/4001/p2p/${qm}/p2p-circuit`, /end in \/p2p/],
    [`/ip4/127.0.0.1/tcp/4001/p2p/${qm}/`, /empty part/],
    [`/ip4/127.0.0.1//tcp/4001/p2p/${qm}`, /empty part/],
    ['/ip4/127.0.0.1/tcp/4001/p2p/', /empty part/],
    ['/ip4/127.0.0.1/tcp/4001/p2p/QmNope', /peer/],
    ['/ip4/127.0.0.1/tcp/4001/p2p/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', /peer/],
    [`/ip4/999.0.0.1/tcp/4001/p2p/${qm}`, /parsed/],
    [`/ip4/127.0.0.1/tcp/99999/p2p/${qm}`, /parsed/],
    [`/unix/run/ipfs.sock`, /parsed|end in/],
    [`/unix/p2p/${qm}`, /parsed|end in/],
    [`/ip9/127.0.0.1/tcp/1/p2p/${qm}`, /parsed/],
    [`/dns4/${'/'.repeat(1 << 20)}x`, /longer/],
    [`/p2p/1${'z'.repeat(1 << 20)}`, /longer/],
    [`/p2p/1${'z'.repeat(1000)}`, /too long for a name/],
  ]
  for (const [text, why] of wrong) {
    assert.throws(
      () => parseOrigin(text),
      (error) => isCode(error, 'invalid') && why.test(error.message),
      text.slice(0, 99),
    )
  }
})

const ports = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `/ip4/127.0.0.1/tcp/${i + 1}/p2p/${qm}`)

test('of many origins the first 20 usable ones are kept, and the rest is reported', () => {
  assert.deepEqual(usableOrigins([]), { origins: [], passedOver: null })
  assert.deepEqual(usableOrigins(ports(20)), { origins: ports(20), passedOver: null })
  for (const count of [21, 26])
    assert.deepEqual(usableOrigins(ports(count)), {
      origins: ports(20),
      passedOver: `${count - 20} of ${count}: ${count - 20} after the first 20`,
    })
  const mixed = usableOrigins(['/ip9/1.2.3.4', ...ports(2), ...ports(2), '/hello', ...ports(26)])
  assert.deepEqual(mixed.origins, ports(20))
  assert.match(
    mixed.passedOver ?? '',
    /^12 of 32: 6 after the first 26; 4 repeated; 2 unusable: \/ip9\/1\.2\.3\.4 \(.*\), \/hello \(.*\)$/,
  )
})

test('for any origins at most 20 are kept, each once and usable, and the report on the rest stays short', () => {
  const text = fc.oneof(
    fc.constantFrom(...ports(30)),
    fc.string({ unit: 'binary', maxLength: 1024, size: 'max' }),
  )
  fc.assert(
    fc.property(fc.array(text, { maxLength: 200, size: 'max' }), (given) => {
      const { origins, passedOver } = usableOrigins(given)
      for (const origin of origins) assert.equal(parseOrigin(origin), origin)
      assert.equal(new Set(origins).size, origins.length)
      assert.ok(origins.length <= 20)
      assert.ok((passedOver ?? '').length <= 1000 && (passedOver ?? '').isWellFormed())
      assert.equal(passedOver === null, origins.length === given.length)
      const first = given.slice(0, 100).filter((one) => ports(30).includes(one))
      assert.deepEqual(origins, [...new Set(first)].slice(0, 20))
    }),
    { numRuns: 300 },
  )
})

test('any text is either accepted or refused as invalid', () => {
  const part = fc.constantFrom(
    'ip4',
    'tcp',
    'p2p',
    'p2p-circuit',
    '127.0.0.1',
    '4001',
    qm,
    ed,
    'k51',
    '1',
    'Qm',
    '',
    'unix',
    '%',
    'http-path',
    'certhash',
    'u',
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(part).map((parts) => '/' + parts.join('/')),
  )
  fc.assert(
    fc.property(text, (origin) => {
      try {
        assert.equal(parseOrigin(origin), origin)
      } catch (error) {
        if (!isCode(error, 'invalid')) throw error
      }
    }),
    { numRuns: 2000 },
  )
})
