import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMarked, stageOf, whyOlder, withPinned, type Remembered, type Shown } from './marks.ts'

const remembered: Remembered = {
  restoreId: null,
  generation: 100,
  epoch: 7,
  incarnation: 3,
  pinned: [{ cid: 'c1', generation: 90 }],
}
const shown: Shown = {
  restoreId: null,
  generation: 100,
  epoch: 7,
  confirmed: true,
  lost: [],
  uncompared: false,
  othersUncompared: [],
}

test('a database is older when a number is smaller, a mark is missing, or a pinned placement is lost', () => {
  assert.equal(whyOlder(remembered, shown), null)
  assert.equal(whyOlder(remembered, { ...shown, generation: 140, epoch: 8 }), null)
  assert.match(whyOlder(remembered, { ...shown, generation: 99 }) ?? '', /newest generation is 99.* seen 100/)
  assert.match(whyOlder(remembered, { ...shown, epoch: 6 }) ?? '', /epoch is 6.* seen 7/)
  assert.match(whyOlder({ ...remembered, restoreId: 'r' }, shown) ?? '', /mark of a restore/)
  const lost = [{ cid: 'c1', generation: 90 }]
  assert.match(
    whyOlder(remembered, { ...shown, generation: 140, lost }) ?? '',
    /lacks 1 of the last 1 contents/,
  )
})

test('a placement that is not remembered any more is not lost', () => {
  const lost = [
    { cid: 'c2', generation: 80 },
    { cid: 'c1', generation: 89 },
  ]
  assert.equal(whyOlder(remembered, { ...shown, lost }), null)
})

test('only another mark than the one that the node follows is a mark for the node', () => {
  assert.equal(isMarked(remembered, shown), false)
  assert.equal(isMarked(remembered, { ...shown, restoreId: 'r' }), true)
  assert.equal(isMarked({ ...remembered, restoreId: 'r' }, { ...shown, restoreId: 'r' }), false)
  assert.equal(isMarked({ ...remembered, restoreId: 'r' }, shown), false)
})

test('the newest placements are remembered, each content once', () => {
  let now = remembered
  for (let n = 0; n < 20; n++) now = withPinned(now, [{ cid: `c${n % 10}`, generation: 100 + n }])
  assert.deepEqual(
    now.pinned.map(({ generation }) => generation),
    [112, 113, 114, 115, 116, 117, 118, 119],
  )
})

test('a node may remove content once it is decided for, and every node has compared its Kubo with its placements', () => {
  const restored = { ...shown, confirmed: false, uncompared: true, othersUncompared: ['n2'] }
  assert.equal(stageOf(restored), 'undecided')
  assert.equal(stageOf({ ...restored, confirmed: true }), 'comparing')
  assert.equal(stageOf({ ...restored, confirmed: true, uncompared: false }), 'waiting')
  assert.equal(stageOf({ ...shown, confirmed: false }), 'undecided', 'it has joined since')
  assert.equal(stageOf(shown), 'done')
})
