import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import type { Node, NodeState } from '../core/node.ts'
import { LiveNodes } from './live-nodes.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

test('an announced change is read at once, unless it has been read already', async () => {
  const { store, live } = rig()
  await live.refresh()
  const before = live.nodes()
  store.change('draining')
  await live.invalidate(store.version)
  assert.equal(live.nodes()[0]?.state, 'draining')
  assert.notEqual(live.nodes(), before)
  for (const version of [store.version, store.version - 1, 0]) await live.invalidate(version)
  assert.equal(store.reads, 2)
  assert.deepEqual(live.stats(), { size: 1, hits: 3, misses: 2, invalidations: 4, flushes: 0, version: 1 })
})

test('a change that is announced during a read is read after it', async () => {
  const { store, live } = rig()
  const reading = live.refresh()
  store.change('draining')
  await Promise.all([live.invalidate(store.version), live.invalidate(store.version)])
  await reading
  assert.equal(live.nodes()[0]?.state, 'draining')
  assert.equal(store.reads, 2)
})

test('the nodes are read again when changes may have been missed', async () => {
  const { store, live } = rig()
  await live.refresh()
  store.change('draining')
  await live.flush()
  assert.equal(live.nodes()[0]?.state, 'draining')
  assert.equal(live.stats().flushes, 1)
})

test('the nodes that were read are kept while Postgres is down', async () => {
  const { store, live } = rig()
  await live.refresh()
  store.down = true
  await assert.rejects(live.invalidate(9), /away/)
  assert.equal(live.nodes().length, 1)
  store.down = false
  store.change('drained')
  await live.invalidate(9)
  assert.equal(live.nodes()[0]?.state, 'drained')
})

function rig() {
  const id = mintId('nod')
  const node = (state: NodeState): Node => fakeNode({ id, state })
  const store = {
    reads: 0,
    version: 0,
    down: false,
    state: 'active' as NodeState,
    change(state: NodeState) {
      store.version++
      store.state = state
    },
    async read() {
      store.reads++
      const { version, state, down } = store
      await Promise.resolve()
      if (down) throw new Error('Postgres is away')
      return { nodes: [node(state)], version }
    },
  }
  return { store, live: new LiveNodes(store) }
}
