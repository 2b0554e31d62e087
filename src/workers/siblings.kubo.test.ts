import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { fakeNode } from '../../testing/fakes/node.ts'
import { startTestKubo, type TestKubo } from '../../testing/servers/kubo.ts'
import { until } from '../../testing/settle.ts'
import type { Node } from '../core/node.ts'
import { kubo } from '../ipfs/kubo.ts'
import { siblings } from './siblings.ts'

const signal = new AbortController().signal
const undo = new AsyncDisposableStack()
after(() => undo.disposeAsync())

/** A node with a Kubo, and its worker, which runs when it is told to. */
interface Machine {
  server: TestKubo
  node: Node
  run: () => Promise<object>
  peers: () => Promise<ReadonlySet<string>>
  peerId: string
  pass: (ms: number) => Promise<void>
}

const nodes: Node[] = []
let a: Machine
let b: Machine
let walled: Machine

before(async () => {
  const filtered = (config: Record<string, Record<string, unknown>>) => {
    config['Swarm'] = { ...config['Swarm'], AddrFilters: ['/ip4/127.0.0.0/ipcidr/8'] }
  }
  ;[a, b, walled] = await Promise.all([machine(), machine(), machine(filtered)])
})

async function machine(configure?: Parameters<typeof startTestKubo>[0]): Promise<Machine> {
  const server = undo.use(await startTestKubo(configure))
  const ipfs = undo.use(kubo({ rpcUrl: server.rpcUrl, pinName: 'test', allowPrivateOrigins: true }))
  const { peerId, multiaddrs } = await ipfs.identity(signal)
  const node = fakeNode({ peerId, multiaddrs })
  const clock = fakeClock()
  const worker = siblings({ nodeId: node.id, nodes: () => nodes, ipfs, clock })
  return {
    server,
    node,
    peerId,
    run: () => worker.run({ signal }),
    peers: () => ipfs.peers(signal),
    pass: (ms) => clock.pass(ms),
  }
}

test('one side dials, and both are connected; a Kubo that restarted is connected again by the next run of either side', async () => {
  nodes.splice(0, nodes.length, a.node, b.node)
  assert.equal((await a.peers()).size, 0)
  assert.deepEqual(await a.run(), { siblings: 1, dialled: 1, connected: 1, alone: false })
  await until('both sides see the connection', async () => (await b.peers()).has(a.peerId))
  assert.deepEqual(await b.run(), { siblings: 1, dialled: 0, connected: 1, alone: false })

  for (const [restarts, dials] of [
    [a, b],
    [b, b],
  ] as const) {
    await restarts.server.kill()
    await restarts.server.restart()
    await until('the connection is gone', async () => (await dials.peers()).size === 0)
    assert.deepEqual(await dials.run(), { siblings: 1, dialled: 1, connected: 1, alone: false })
  }
})

test('a Kubo whose filters keep private addresses out is alone; the others, which are connected to one another, are not', async () => {
  nodes.splice(0, nodes.length, a.node, b.node, walled.node)
  for (const each of [a, b, walled]) {
    await each.run()
    await each.pass(31_000)
  }
  assert.deepEqual(await walled.run(), { siblings: 2, dialled: 0, connected: 0, alone: true })
  for (const each of [a, b]) assert.partialDeepStrictEqual(await each.run(), { connected: 1, alone: false })
})
