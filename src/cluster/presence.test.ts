import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId, type NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import { readHeartbeat, writeHeartbeat, type Heartbeat } from './heartbeat.ts'
import { mergeNodes } from './presence.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const here = mintId('nod')
const there = mintId('nod')
const beat = (nodeId: NodeId, more: Partial<Heartbeat> = {}): Heartbeat => ({
  nodeId,
  name: 'n',
  incarnation: 3,
  zone: null,
  capacityBytes: 100,
  usedBytes: 50,
  state: 'active',
  acceptMs: null,
  ...more,
})
const node = (id: NodeId, more: Partial<Node> = {}): Node =>
  fakeNode({ id, zone: 'a', usedBytes: 10, live: false, ...more })
const one = (known: Node, heard: Heartbeat | null): Node | undefined =>
  mergeNodes([known], () => heard, beat(here), Infinity)[0]

test('a node is live when its heartbeat is fresh, whatever Postgres says', () => {
  assert.equal(one(node(there), beat(there))?.live, true)
})

test('a node without a heartbeat is live when Postgres saw it lately: a loss of NATS makes no node look down', () => {
  assert.equal(one(node(there, { live: true }), null)?.live, true)
})

test('a node is down when it has no heartbeat and Postgres has not seen it lately', () => {
  assert.equal(one(node(there), null)?.live, false)
})

test('this node is always live', () => {
  assert.equal(one(node(here), null)?.live, true)
})

test('a heartbeat updates the used bytes, and its unknown values replace nothing from Postgres', () => {
  const known = node(there, { multiaddrs: ['/ip4/10.0.0.1/tcp/1/p2p/y'], capacityBytes: 7 })
  const merged = one(known, beat(there, { capacityBytes: null, usedBytes: 60 }))
  assert.deepEqual(merged, { ...known, live: true, usedBytes: 60 })
})

test('a heartbeat says since when the Kubo of the node answers; one of an older version says nothing of it', () => {
  const kubo = { sinceMs: 17, alone: true }
  const heard = readHeartbeat(writeHeartbeat(beat(there, { kubo })))
  assert.deepEqual(one(node(there), heard)?.kubo, kubo)
  assert.equal(one(node(there), beat(there))?.kubo, undefined)
  const odd = JSON.stringify({ ...JSON.parse(writeHeartbeat(beat(there))), kubo: { sinceMs: 'x', more: 1 } })
  assert.deepEqual(readHeartbeat(odd)?.kubo, { sinceMs: null, alone: false })
  const none = JSON.stringify({ ...JSON.parse(writeHeartbeat(beat(there))), kubo: null })
  assert.deepEqual(readHeartbeat(none)?.kubo, { sinceMs: null, alone: false })
})

test('addresses come from Postgres alone: those in heartbeats of older versions are ignored', () => {
  const theirs = JSON.stringify({
    ...JSON.parse(writeHeartbeat(beat(there))),
    multiaddrs: ['/ip4/6.6.6.6/tcp/1/p2p/x'],
  })
  const heard = readHeartbeat(theirs)
  assert.deepEqual(heard, beat(there))
  for (const multiaddrs of [[], ['/ip4/10.0.0.1/tcp/1/p2p/y']])
    for (const id of [here, there])
      assert.deepEqual(one(node(id, { multiaddrs }), heard)?.multiaddrs, multiaddrs)
})

test('nodes of older versions, which require a list of addresses, can read a heartbeat and find an empty list', () => {
  assert.deepEqual(JSON.parse(writeHeartbeat(beat(there))).multiaddrs, [])
})

test('a node is draining when its heartbeat or Postgres says so', () => {
  assert.equal(one(node(there, { state: 'draining' }), beat(there))?.state, 'draining')
  assert.equal(one(node(there), beat(there, { state: 'draining' }))?.state, 'draining')
})

test('what a node can do is what its heartbeat says, and Postgres says since when it cannot', () => {
  const unable = { what: 'kubo', forMs: 1_000, reason: 'away' } as const
  const noted = { ...unable, forMs: 60_000 }
  assert.deepEqual(one(node(there), beat(there, { unable }))?.unable, unable)
  assert.deepEqual(one(node(there, { unable: noted }), beat(there, { unable }))?.unable, noted)
  assert.equal(one(node(there, { unable: noted }), beat(there, { unable: null }))?.unable, null)
  assert.equal(one(node(there, { unable: noted }), beat(there))?.unable, null, 'an older version')
  assert.deepEqual(one(node(there, { unable: noted }), null)?.unable, noted)
})

test('no node is silent or unable for longer than this one has listened', () => {
  const unable = { what: 'kubo', forMs: 900_000, reason: 'away' } as const
  const [merged] = mergeNodes([node(there, { silentMs: 900_000, unable })], () => null, beat(here), 20_000)
  assert.deepEqual([merged?.silentMs, merged?.unable?.forMs], [20_000, 20_000])
})

test('a heartbeat that names an ability which this version does not know is that of a node that cannot work', () => {
  const unable = { what: 'gpu', forMs: 5, reason: 'no card' }
  const text = JSON.stringify({ ...JSON.parse(writeHeartbeat(beat(there))), unable })
  assert.deepEqual(readHeartbeat(text)?.unable, { what: 'kubo', forMs: 5, reason: 'no card' })
})

test('only nodes in Postgres are listed', () => {
  assert.deepEqual(
    mergeNodes([], () => beat(there), beat(here), Infinity),
    [],
  )
})

test('a heartbeat is read as it was written; malformed text and other versions are read as none', () => {
  assert.deepEqual(readHeartbeat(writeHeartbeat(beat(there))), beat(there))
  const other = writeHeartbeat(beat(there)).replace('"v":1', '"v":2')
  for (const text of ['', 'x', 'null', '[]', '{"v":1}', other]) assert.equal(readHeartbeat(text), null)
})
