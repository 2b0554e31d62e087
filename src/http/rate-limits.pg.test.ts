import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { mintId } from '../core/ids.ts'
import { testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { openStore, type Store } from '../store/store.ts'
import { fakeServer, memoryLog, type FakeServer } from '../../testing/fakes/http-server.ts'

const rateLimits = {
  signInPerAddress: 10,
  anonymousPerAddress: 60,
  anonymous: 120,
  perCaller: 1000,
  perOrg: 1000,
  atOncePerOrg: 64,
}
let database: TestDatabase
let stores: Store[]
let nodes: FakeServer[]

before(async () => {
  database = await testDatabase()
  stores = [1, 2, 3].map(() => openStore({ ...database, log: memoryLog() }))
  nodes = stores.map(({ rates }) => fakeServer({ rateLimits, rates }))
})
after(async () => {
  for (const store of stores) await store[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

async function signedIn(store: Store | undefined, network: string): Promise<void> {
  await store?.sessions.login(
    { issuer: 'https://idp', subject: network, name: null, email: null, operator: false, roles: [] },
    {
      id: mintId('ses'),
      hash: randomBytes(32),
      providerSid: null,
      idToken: '',
      userAgent: null,
      address: null,
      network,
      maxAgeMs: 1_000,
    },
    null,
  )
}

/** Sends all requests at once, spread over the nodes, and returns how many were refused. */
async function refused(times: number, addressOf: (n: number) => string): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: times }, async (_, n) =>
      nodes[n % nodes.length]?.app.inject({ url: '/v1/auth/login', remoteAddress: addressOf(n) }),
    ),
  )
  return answers.filter((answer) => answer?.statusCode === 429).length
}

test('an address has its own ten in the whole cluster, and keeps no other address out at any node', async () => {
  assert.equal(await refused(30, () => '198.51.100.7'), 20)
  assert.equal(await refused(30, (n) => `2001:db8:1:2::${n}`), 20)
  assert.equal(await refused(9, () => '198.51.100.8'), 0)
  const [first, second] = nodes
  const one = await first?.app.inject({ url: '/v1/auth/login', remoteAddress: '198.51.100.9' })
  const two = await second?.app.inject({ url: '/v1/auth/login', remoteAddress: '198.51.100.9' })
  assert.equal(one?.headers['ratelimit-remaining'], '9')
  assert.equal(two?.headers['ratelimit-remaining'], '8')
})

test('all addresses together have 120 in the whole cluster', async () => {
  // 10 + 10 + 9 + 2 are used up already.
  assert.equal(await refused(120, (n) => `203.0.113.${n}`), 31)
})

test('during a flood people can sign in only from networks from which somebody signed in lately', async () => {
  const [store] = stores
  for (const network of ['192.0.2.1', '2001:db8:5:5::/64']) await signedIn(store, network)
  assert.equal(await refused(5, (n) => `203.0.113.${200 + n}`), 5)
  assert.equal(await refused(10, () => '192.0.2.1'), 0)
  assert.equal(await refused(10, (n) => `2001:db8:5:5::${n}`), 0)
  assert.equal(await refused(3, () => '192.0.2.2'), 3)
  assert.equal(await refused(3, () => '192.0.2.1'), 3, 'its ten are used up')
})

test('while Postgres is unavailable, each node counts for itself', async () => {
  await database[Symbol.asyncDispose]()
  assert.equal(await refused(60, () => '198.51.100.20'), 30)
})
