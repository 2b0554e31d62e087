import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../../testing/settle.ts'
import { connectNats, type NodeNatsLink } from '../cluster/nats-link.ts'
import { Cache } from '../auth/cache.ts'
import { mintId } from '../core/ids.ts'
import { silentLog } from '../core/silent-log.ts'
import { testNats, type TestNats } from '../../testing/servers/nats.ts'
import { nodeCaches, announceNodesChanged, announceRevokedToken } from './caches.ts'
import { LiveNodes } from './live-nodes.ts'

let nats: TestNats
before(async () => {
  nats = await testNats(process.env)
})
after(() => nats[Symbol.asyncDispose]())

test('a revocation and a change of the nodes reach the other node at once, and the other node flushes after NATS was down', async () => {
  await using undo = new AsyncDisposableStack()
  const server = await nats.start()
  const { url } = server
  const one = undo.use(connectNats({ url, nodeId: mintId('nod'), log: silentLog }))
  const two = undo.use(connectNats({ url, nodeId: mintId('nod'), log: silentLog }))
  const remembered = rig(two)
  const stop = new AbortController()
  const listening = remembered.caches.run(stop.signal)
  undo.defer(async () => {
    stop.abort()
    await listening
  })
  for (const each of [one, two]) await each.connected(AbortSignal.timeout(20_000))
  // a message that is published before the server knows the listeners is lost
  await two.connection()?.flush()

  const id = mintId('tok')
  await remembered.read(id)
  announceRevokedToken(one, id, 1)
  await until('the token is forgotten', () => remembered.tokens.fresh(id) === null)
  await remembered.read(id)
  announceRevokedToken(one, id, 1)
  await until('the second telling was heard', () => remembered.caches.stats().tokens.invalidations === 2)
  assert.ok(remembered.tokens.fresh(id), 'a version that it knows changes nothing')

  remembered.source.version = 7
  await announceNodesChanged(one, { cacheVersion: async () => 7 })
  await until('the nodes were read', () => remembered.caches.stats().nodes.version === 7)

  const flushes = () => remembered.caches.stats().tokens.flushes
  const flushed = flushes()
  remembered.source.version = 8
  await server[Symbol.asyncDispose]()
  await until('NATS is missed', () => two.connection() === null)
  assert.throws(() => announceRevokedToken(two, id, 2), /not connected/)
  undo.use(await nats.start())
  await until('it flushed', () => flushes() === flushed + 1)
  assert.equal(remembered.tokens.fresh(id), null)
  await until('the nodes were read again', () => remembered.caches.stats().nodes.version === 8)
})

/** The caches of a node, over a source in memory. */
function rig(link: NodeNatsLink) {
  const source = { version: 0 }
  const nodes = new LiveNodes({ read: async () => ({ nodes: [], version: source.version }) })
  const tokens = new Cache<{ asked: number }>({
    max: 10,
    maxAgeMs: () => Infinity,
    maxStaleMs: Infinity,
    clock: { steadyMs: () => 0 },
  })
  const read = (id: string) =>
    tokens.read(
      id,
      async () => ({ asked: Date.now() }),
      () => false,
    )
  const store = { cacheVersion: async () => source.version }
  return { source, tokens, read, caches: nodeCaches({ nodes, tokens, store, link, log: silentLog }) }
}
