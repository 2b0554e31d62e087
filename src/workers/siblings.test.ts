import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IpfsError } from '../core/ipfs-error.ts'
import type { Node } from '../core/node.ts'
import { siblings } from './siblings.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const signal = new AbortController().signal

function node(name: string, more: Partial<Node> = {}): Node {
  return fakeNode({ name, multiaddrs: [`/${name}/1`, `/${name}/2`], ...more })
}

function world(nodes: Node[], dead: (multiaddr: string) => boolean = () => false) {
  const dialled: string[] = []
  let now = 0
  let most = 0
  const ipfs = {
    async connectSibling(multiaddr: string) {
      dialled.push(multiaddr)
      most = Math.max(most, ++now)
      await Promise.resolve()
      now--
      if (dead(multiaddr)) throw new IpfsError('bad_origin', 'no answer')
    },
  }
  const me = node('me')
  const worker = siblings({ nodeId: me.id, nodes: () => [...nodes, me], ipfs })
  return { dialled, most: () => most, run: () => worker.run({ signal }) }
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
  assert.deepEqual(await at.run(), { siblings: 2, dialled: 2, connected: 2 })
  assert.deepEqual(at.dialled.toSorted(), ['/a/1', '/b/1', '/b/2'])
})

test('a sibling that answers at no address does not affect the others', async () => {
  const at = world([node('a'), node('dead'), node('b')], (multiaddr) => multiaddr.includes('dead'))
  assert.deepEqual(await at.run(), { siblings: 3, dialled: 3, connected: 2 })
})

test('a run dials a few dozen of hundreds of siblings, a few at a time, and the next runs dial the others', async () => {
  const at = world(Array.from({ length: 300 }, (_, index) => node(`n${index}`)))
  for (let runs = 1; runs <= 10; runs++) {
    assert.partialDeepStrictEqual(await at.run(), { siblings: 300, dialled: 32 })
  }
  assert.equal(new Set(at.dialled).size, 300)
  assert.ok(at.most() <= 8)
})
