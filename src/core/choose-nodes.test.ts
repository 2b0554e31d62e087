import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseNodes } from './choose-nodes.ts'
import { addressesOf, type Node } from './node.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const gib = 2 ** 30

test('a single node takes every content', () => {
  const only = node({})
  assert.deepEqual(chooseNodes('cid', [only], 1), [only.id])
})

test('a node that cannot work is chosen only if no node can', () => {
  const away = node({ unable: { what: 'kubo', forMs: 0, reason: 'away' } })
  const other = node({})
  for (let i = 0; i < 50; i++) assert.deepEqual(chooseNodes(`cid-${i}`, [away, other], 2), [other.id])
  assert.deepEqual(chooseNodes('cid', [away, node({ live: false })], 1), [away.id])
})

test('the same nodes in any order give the same choice', () => {
  const nodes = Array.from({ length: 7 }, () => node({}))
  fc.assert(
    fc.property(fc.string(), fc.shuffledSubarray(nodes, { minLength: 7 }), (cid, shuffled) => {
      assert.deepEqual(chooseNodes(cid, shuffled, 3), chooseNodes(cid, nodes, 3))
    }),
  )
})

test('a node that leaves moves only what it held', () => {
  const nodes = Array.from({ length: 5 }, () => node({}))
  const [gone, ...rest] = nodes
  for (let i = 0; i < 500; i++) {
    const before = chooseNodes(`cid-${i}`, nodes, 1)[0]
    if (before !== gone?.id) assert.equal(chooseNodes(`cid-${i}`, rest, 1)[0], before)
  }
})

test('nodes get content in proportion to their free bytes', () => {
  const large = node({ capacityBytes: 300 * gib })
  const small = node({ capacityBytes: 100 * gib })
  const onLarge = Array.from(
    { length: 4_000 },
    (_, i) => chooseNodes(`cid-${i}`, [large, small], 1)[0],
  ).filter((id) => id === large.id).length
  assert.ok(Math.abs(onLarge / 4_000 - 0.75) < 0.03, `${onLarge} of 4000`)
})

test('no zone gets a second copy before each has one', () => {
  const nodes = ['a', 'a', 'a', 'b', 'c'].map((zone) => node({ zone }))
  for (let i = 0; i < 200; i++) {
    const chosen = chooseNodes(`cid-${i}`, nodes, 3).slice(0, 3)
    assert.equal(new Set(chosen.map((id) => nodes.find((n) => n.id === id)?.zone)).size, 3)
  }
})

test('nodes that are down, full or draining take nothing, even when there is no other node', () => {
  const well = node({})
  const down = node({ live: false })
  const full = node({ capacityBytes: gib, usedBytes: gib })
  const draining = node({ state: 'draining' })
  assert.deepEqual(chooseNodes('cid', [draining, full, down, well], 1), [well.id])
  assert.deepEqual(chooseNodes('cid', [draining, full, down], 1), [])
})

test('a node above its high water takes no new content', () => {
  const high = node({ capacityBytes: 100 * gib, usedBytes: 91 * gib })
  const low = node({ capacityBytes: 100 * gib, usedBytes: 89 * gib })
  assert.deepEqual(chooseNodes('cid', [high, low], 2, { highWater: 0.9 }), [low.id])
})

test('a node that has not reported its size yet gets no more than the others', () => {
  const others = [node({}), node({ usedBytes: 50 * gib }), node({})]
  const young = node({ capacityBytes: null, usedBytes: null })
  const rounds = 10_000
  let firsts = 0
  for (let i = 0; i < rounds; i++)
    if (chooseNodes(`cid-${i}`, [...others, young], 1)[0] === young.id) firsts++
  const share = firsts / rounds
  assert.ok(share > 0.2 && share < 0.35, `its share is ${share}`)
  assert.deepEqual(chooseNodes('cid', [young], 1), [young.id])
})

test('choosing among a thousand nodes takes about a millisecond', () => {
  const nodes = Array.from({ length: 1_000 }, (_, i) => node({ zone: `zone-${i % 10}` }))
  const rounds = 100
  const started = performance.now()
  for (let i = 0; i < rounds; i++) chooseNodes(`cid-${i}`, nodes, 3)
  const tookMs = (performance.now() - started) / rounds
  assert.ok(tookMs < 10, `${tookMs} ms each`)
})

test('ranks are fair among many nodes with similar ids, for similar CIDs', () => {
  const nodes = Array.from({ length: 50 }, () => node({}))
  const first = new Map<string, number>()
  const rounds = 50_000
  for (let i = 0; i < rounds; i++) {
    const [id = ''] = chooseNodes(`bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4${i}`, nodes, 1)
    first.set(id, (first.get(id) ?? 0) + 1)
  }
  const expected = rounds / nodes.length
  const chiSquare = nodes.reduce((sum, { id }) => sum + ((first.get(id) ?? 0) - expected) ** 2 / expected, 0)
  // 49 degrees of freedom: beyond 100 once in 30,000 runs
  assert.ok(chiSquare < 100, `chi-square ${chiSquare}`)
})

test('a node whose Kubo was never reached still has an address that parses', () => {
  const [address] = addressesOf(node({}))
  assert.match(address ?? '', /^\/dns4\/[a-z0-9-]+\.invalid\/tcp\/4001\/p2p\/Qm[1-9A-HJ-NP-Za-km-z]{44}$/)
})

function node(more: Partial<Node>): Node {
  return fakeNode({ capacityBytes: 100 * gib, usedBytes: 0, ...more })
}
