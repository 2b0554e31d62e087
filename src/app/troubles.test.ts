import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import { troublesOf, type Sight } from './troubles.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const nodeId = mintId('nod')
const well: Sight = {
  nodeId,
  nodes: [],
  reconcileBlocked: null,
  alone: null,
  disk: { bytes: 1000, freeBytes: 50 },
  usedBytes: 899,
  capacityBytes: 1000,
  highWater: 0.9,
}

test('a healthy node has no trouble, and unknown values are no trouble', () => {
  assert.deepEqual(troublesOf(well), [])
  assert.deepEqual(troublesOf({ ...well, disk: null, usedBytes: null }), [])
  assert.deepEqual(troublesOf({ ...well, capacityBytes: null }), [])
})

test('a silent node is named, unless it is this one or was drained', () => {
  const nodes = [
    node('a', { live: false, silentMs: 125_400 }),
    node('b', {}),
    node('c', { live: false, state: 'drained' }),
    node('d', { live: false, id: nodeId }),
  ]
  assert.deepEqual(troublesOf({ ...well, nodes }), [
    { what: 'peer', reason: 'the node a has been silent for 125 s' },
  ])
})

test('a blocked reconciler reports how many pins it would remove', () => {
  const [trouble] = troublesOf({ ...well, reconcileBlocked: 120 })
  assert.equal(trouble?.what, 'reconciler')
  assert.match(trouble?.reason ?? '', /before removing 120 pins/)
})

test('a Kubo that is connected to no other one says what to check', () => {
  for (const [alone, others] of [
    [1, /not connected to the Kubo of the other node, so/],
    [3, /not connected to any of the Kubos of the 3 other nodes, so/],
  ] as const) {
    const [trouble] = troublesOf({ ...well, alone })
    assert.equal(trouble?.what, 'siblings')
    assert.match(trouble?.reason ?? '', others)
    assert.match(trouble?.reason ?? '', /node\.announce.*Swarm\.AddrFilters/)
  }
})

test('a disk is nearly full with less than a twentieth free, and Kubo from its high-water mark on', () => {
  assert.deepEqual(troublesOf({ ...well, disk: { bytes: 1000, freeBytes: 27 } }), [
    { what: 'disk', reason: 'the disk that holds data.dir is 97% full' },
  ])
  assert.deepEqual(troublesOf({ ...well, usedBytes: 900 }), [
    { what: 'disk', reason: 'Kubo uses 90% of its storage limit: the node takes no new content' },
  ])
})

function node(name: string, more: Partial<Node>): Node {
  return fakeNode({ name, ...more })
}
