import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeNode, fakeReport } from '../../testing/fakes/node.ts'
import { signOfLife } from './forget-node.ts'

const gone = fakeNode({ name: 'gone', live: false, silentMs: 60_000 })

test('a node is alive while its sign is fresh, or while a live node hears it', () => {
  const hears = (heardMs: number, silentMs: number, live = true) => [
    {
      node: fakeNode({ name: 'peer', live, silentMs }),
      report: fakeReport({ heard: { [gone.id]: heardMs } }),
    },
  ]
  assert.match(signOfLife({ ...gone, live: true, silentMs: 4_000 }, []) ?? '', /^gone wrote .* 4 s ago$/)
  assert.equal(signOfLife(gone, [{ node: fakeNode(), report: null }]), null)
  assert.match(signOfLife(gone, hears(800, 9_000)) ?? '', /^peer heard its heartbeats 10 s ago$/)
  assert.equal(signOfLife(gone, hears(4_000, 12_000)), null, 'the report is old')
  assert.equal(signOfLife(gone, hears(800, 9_000, false)), null, 'the other node is gone as well')
  assert.equal(signOfLife(gone, [{ node: gone, report: fakeReport({ heard: { [gone.id]: 0 } }) }]), null)
})
