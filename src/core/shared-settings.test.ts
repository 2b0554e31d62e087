import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differingSettings, refusedSetting, type SettingsOf } from './shared-settings.ts'

const set = (replicas: number) => ({ 'pin.replicas': String(replicas), 'pin.unpinGrace': '10m' })
const node = (name: string, replicas: number): SettingsOf => ({ name, settings: set(replicas) })

test('a new value is carried from node to node by restarts', () => {
  const nodes = new Map(['a', 'b', 'c'].map((name) => [name, set(1)]))
  for (const name of nodes.keys()) {
    const others = [...nodes].flatMap(([other, settings]) =>
      other === name ? [] : [{ name: other, settings }],
    )
    assert.equal(refusedSetting(set(2), nodes.get(name) ?? null, others), null, name)
    nodes.set(name, set(2))
  }
})

test('a node that missed a change, or is new, must not start with a value that no other node has', () => {
  for (const before of [set(1), null])
    assert.match(
      refusedSetting(set(1), before, [node('b', 2), node('c', 2)]) ?? '',
      /^pin\.replicas is 1 here, and 2 on the node b: use the value of the other nodes/,
    )
  assert.equal(refusedSetting(set(1), null, []), null)
})

test('during a change a node may start with either value, and every difference is listed', () => {
  const others = [node('b', 2), node('c', 1)]
  for (const own of [set(1), set(2)]) assert.equal(refusedSetting(own, set(1), others), null)
  assert.deepEqual(differingSettings(set(1), others), ['pin.replicas is 1 here, and 2 on the node b'])
  assert.deepEqual(differingSettings(set(2), [node('b', 2)]), [])
})

test('an option that another version does not know never differs', () => {
  const older = { name: 'b', settings: { 'pin.unpinGrace': '10m' } }
  assert.equal(refusedSetting(set(3), null, [older]), null)
  assert.deepEqual(differingSettings(set(3), [older]), [])
})
