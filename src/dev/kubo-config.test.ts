import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kuboConfig } from './kubo-config.ts'

const initial = {
  Identity: { PeerID: '12D3', PrivKey: 'secret' },
  Addresses: { Swarm: ['/ip4/0.0.0.0/tcp/4001'], API: '/ip4/127.0.0.1/tcp/5001', Announce: [] },
  Bootstrap: ['auto'],
  DNS: { Resolvers: { '.': 'auto' } },
  Routing: { Type: 'auto', DelegatedRouters: ['auto'] },
  Swarm: { ConnMgr: { HighWater: 96 } },
}
const ports = { rpcPort: 21001, swarmPort: 21002 }

test('a fenced Kubo listens on loopback only and has no peers to ask', () => {
  const config = kuboConfig(initial, ports, false)
  assert.deepEqual(config['Addresses'], {
    Announce: [],
    API: '/ip4/127.0.0.1/tcp/21001',
    Gateway: [],
    Swarm: ['/ip4/127.0.0.1/tcp/21002'],
  })
  assert.deepEqual(config['Routing'], { Type: 'none', DelegatedRouters: [] })
  assert.deepEqual(config['DNS'], { Resolvers: {} })
  assert.deepEqual(config['Bootstrap'], [])
  assert.doesNotMatch(JSON.stringify(config), /auto/)
})

test('the filters cover every IPv4 address except those of 127.0.0.0/8', () => {
  const { Swarm } = kuboConfig(initial, ports, false)
  assert.ok(typeof Swarm === 'object' && Swarm && 'AddrFilters' in Swarm && Array.isArray(Swarm.AddrFilters))
  const ranges = Swarm.AddrFilters.map(String)
    .filter((filter) => filter.startsWith('/ip4/'))
    .map((filter) => {
      const [, , address = '', , bits] = filter.split('/')
      return { first: Number(address.split('.')[0]), count: 2 ** (8 - Number(bits)) }
    })
  const covered = Array.from({ length: 256 }, (_, byte) =>
    ranges.some(({ first, count }) => byte >= first && byte < first + count),
  )
  assert.deepEqual(
    covered.flatMap((isCovered, byte) => (isCovered ? [] : [byte])),
    [127],
  )
})

test('a public Kubo keeps what init wrote, except for its ports, a private RPC and telemetry', () => {
  const config = kuboConfig(initial, ports, true)
  assert.deepEqual(config['Bootstrap'], ['auto'])
  assert.deepEqual(config['Routing'], initial.Routing)
  assert.deepEqual(config['Swarm'], initial.Swarm)
  assert.match(
    JSON.stringify(config['Addresses']),
    /0\.0\.0\.0\/tcp\/21002.*"API":"\/ip4\/127\.0\.0\.1\/tcp\/21001"/,
  )
  assert.deepEqual(config['Plugins'], { Plugins: { telemetry: { Config: { Mode: 'off' } } } })
})
