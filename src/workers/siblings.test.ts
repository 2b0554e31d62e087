import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IpfsError } from '../core/ipfs-error.ts'
import type { Node } from '../core/node.ts'
import { siblings } from './siblings.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const signal = new AbortController().signal

function node(name: string, more: Partial<Node> = {}): Node {
  return fakeNode({ name, peerId: name, multiaddrs: [`/${name}/1`, `/${name}/2`], ...more })
}

function world(nodes: Node[], dead: (multiaddr: string) => boolean = () => false) {
  const clock = fakeClock()
  const dialled: string[] = []
  const peers = new Set<string>()
  const kubo = { down: false, dead }
  let now = 0
  let most = 0
  const ipfs = {
    async peers() {
      if (kubo.down) throw new IpfsError('kubo_down', 'Kubo is away')
      return peers
    },
    async connectSibling(multiaddr: string) {
      dialled.push(multiaddr)
      most = Math.max(most, ++now)
      await Promise.resolve()
      now--
      if (kubo.dead(multiaddr)) throw new IpfsError('bad_origin', 'no answer')
      peers.add(multiaddr.split('/')[1] ?? '')
    },
  }
  const me = node('me')
  const worker = siblings({ nodeId: me.id, nodes: () => [...nodes, me], ipfs, clock })
  return {
    clock,
    dialled,
    peers,
    kubo,
    most: () => most,
    run: () => worker.run({ signal }),
    /** Runs the worker as the driver does, for `ms`; returns the last report. */
    async runFor(ms: number) {
      for (let atMs = 0; atMs < ms; atMs += worker.everyMs) {
        await worker.run({ signal })
        await clock.pass(worker.everyMs)
      }
      return worker.run({ signal })
    },
  }
}

test('every live sibling is dialled once, up to its first address that answers; draining siblings too, because they are sources', async () => {
  const at = world(
    [
      node('a'),
      node('b', { state: 'draining' }),
      node('gone', { live: false }),
      node('unmet', { multiaddrs: [] }),
    ],
    (multiaddr) => multiaddr === '/b/1',
  )
  assert.deepEqual(await at.run(), { siblings: 2, dialled: 2, connected: 2, alone: false })
  assert.deepEqual(at.dialled.toSorted(), ['/a/1', '/b/1', '/b/2'])
  assert.deepEqual(await at.run(), { siblings: 2, dialled: 0, connected: 2, alone: false })
})

test('a sibling that dialled us is connected, and one that lost its connection is dialled again', async () => {
  const at = world([node('a'), node('b')])
  at.peers.add('a')
  assert.partialDeepStrictEqual(await at.run(), { dialled: 1, connected: 2 })
  at.peers.clear()
  assert.partialDeepStrictEqual(await at.run(), { dialled: 2, connected: 2 })
})

test('a sibling that answers at no address does not affect the others, and is dialled again after a minute or when it announces something new', async () => {
  const dead = node('dead')
  const at = world([node('a'), dead, node('b')], (multiaddr) => multiaddr.includes('dead'))
  assert.partialDeepStrictEqual(await at.run(), { siblings: 3, dialled: 3, connected: 2 })
  assert.partialDeepStrictEqual(await at.runFor(50_000), { dialled: 0 })
  await at.clock.pass(10_000)
  assert.partialDeepStrictEqual(await at.run(), { dialled: 1, connected: 2 })
  dead.kubo = { sinceMs: 7, alone: false }
  assert.partialDeepStrictEqual(await at.run(), { dialled: 1, connected: 2 })
  at.kubo.dead = () => false
  dead.multiaddrs = ['/dead/3']
  assert.partialDeepStrictEqual(await at.run(), { dialled: 1, connected: 3 })
})

test('a run dials a few dozen of hundreds of siblings, a few at a time, and the next runs dial the others', async () => {
  const at = world(Array.from({ length: 300 }, (_, index) => node(`n${index}`)))
  for (let runs = 1; runs <= 10; runs++)
    assert.partialDeepStrictEqual(await at.run(), {
      siblings: 300,
      connected: Math.min(32 * runs, 300),
    })
  assert.equal(new Set(at.dialled).size, 300)
  assert.ok(at.most() <= 8)
})

test('a Kubo that is connected to no sibling for half a minute is alone, until one is connected, whichever side dialled', async () => {
  const at = world([node('a'), node('b')], () => true)
  assert.partialDeepStrictEqual(await at.runFor(25_000), { siblings: 2, connected: 0, alone: false })
  assert.partialDeepStrictEqual(await at.runFor(10_000), { siblings: 2, connected: 0, alone: true })
  at.peers.add('b')
  assert.partialDeepStrictEqual(await at.run(), { connected: 1, alone: false })
})

test('a sibling without addresses whose Kubo answers is one that is not reached', async () => {
  const at = world([node('hidden', { multiaddrs: [], kubo: { sinceMs: 1, alone: false } })])
  assert.deepEqual(await at.runFor(35_000), { siblings: 1, dialled: 0, connected: 0, alone: true })
})

test('a Kubo is not alone without siblings, while their Kubos are down, or while it is down itself', async () => {
  for (const others of [[], [node('down', { kubo: { sinceMs: null, alone: false } })]]) {
    const at = world(others, () => true)
    assert.deepEqual(await at.runFor(60_000), { siblings: 0, dialled: 0, connected: 0, alone: false })
  }
  const at = world([node('a')], () => true)
  at.kubo.down = true
  assert.partialDeepStrictEqual(await at.runFor(60_000), { siblings: 1, alone: false })
  at.kubo.down = false
  assert.partialDeepStrictEqual(await at.run(), { alone: false })
})
