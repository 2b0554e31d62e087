import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { fencesOf } from '../../ipfs/follow-ups.ts'
import { exposedLook, fencesLook, roomOf } from './kubo.ts'

const GiB = 1024 ** 3
const room = {
  version: '0.43.0',
  peerId: 'peer',
  fences: fencesOf({}),
  usedBytes: GiB,
  capacityBytes: 10 * GiB,
  diskFreeBytes: 20 * GiB,
}

test('room is judged by what Kubo may use and by what its disk has', () => {
  assert.equal(roomOf(room, 90).state, 'ok')
  assert.match(roomOf({ ...room, usedBytes: 9.5 * GiB }, 90).says, /above cluster\.highWater/)
  assert.match(roomOf({ ...room, diskFreeBytes: 5 * GiB }, 90).advice ?? '', /StorageMax 6GB/)
  assert.equal(roomOf({ ...room, diskFreeBytes: GiB / 2 }, 90).state, 'fail')
})

const private4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
]
const filters = [
  ...private4.map((network) => `/ip4/${network.replace('/', '/ipcidr/')}`),
  ...['::1/128', 'fc00::/7', 'fe80::/10'].map((network) => `/ip6/${network.replace('/', '/ipcidr/')}`),
]
const wary = { allowPrivateOrigins: false }
const sibling = '/ip4/10.0.0.2/tcp/4001/p2p/x'

function kubo(addrFilters: string[], overHttp = false) {
  return fencesOf({ Swarm: { AddrFilters: addrFilters }, HTTPRetrieval: { Enabled: overHttp } })
}

test('private networks that Kubo would dial are named, except those with other nodes', () => {
  assert.deepEqual(states(fencesLook(kubo(filters), wary, [])), ['ok'])
  const [open] = fencesLook(kubo(filters.slice(1)), wary, [])
  assert.equal(open?.state, 'warn')
  assert.match(open?.says ?? '', /^Kubo dials 10\.0\.0\.0\/8 when/)
  assert.deepEqual(states(fencesLook(kubo(filters.slice(1)), wary, [sibling])), ['ok'])
  assert.deepEqual(states(fencesLook(kubo(filters, true), wary, [])), ['warn'])
  assert.deepEqual(states(fencesLook(kubo([], true), wary, [])), ['warn', 'warn'])
  assert.deepEqual(states(fencesLook(kubo([], true), { allowPrivateOrigins: true }, [])), ['ok'])
})

test('filters that keep a Kubo from the other nodes fail, whatever origins are allowed', () => {
  const [shut] = fencesLook(kubo(filters), { allowPrivateOrigins: true }, [sibling, sibling])
  assert.equal(shut?.state, 'fail')
  assert.match(shut?.says ?? '', /: 10\.0\.0\.2$/)
})

function states(findings: { state: string }[]): string[] {
  return findings.map(({ state }) => state)
}

test('an RPC that accepts anyone beyond loopback fails; one that asks for credentials or does not answer is ok', async () => {
  let status = 200
  const server = createServer((_request, response) => response.writeHead(status).end('{}')).listen(
    0,
    '127.0.0.2',
  )
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { signal } = new AbortController()
  // Any other address of this machine can stand for one that other machines reach.
  const look = (rpc: string, own: string[]) => exposedLook(rpc, own, signal)
  try {
    const open = await look(`http://localhost:${port}`, ['127.0.0.2'])
    assert.equal(open.state, 'fail')
    assert.match(open.says, new RegExp(`anyone who reaches 127\\.0\\.0\\.2 on port ${port}`))
    assert.equal((await look(`http://localhost:${port}`, ['127.0.0.3'])).state, 'ok')
    status = 403
    assert.equal((await look(`http://localhost:${port}`, ['127.0.0.2'])).state, 'ok')
  } finally {
    server.close()
  }
})
