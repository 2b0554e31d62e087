import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mintId, type NodeId } from './ids.ts'
import type { Inability, Node } from './node.ts'
import { placementStates } from './placement.ts'
import { planRepair, type RepairPolicy } from './plan-repair.ts'
import type { ContentCopies, Copy, Repair } from './repair.ts'
import { nodeStanding } from './node-standing.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const policy: RepairPolicy = { minCopies: 1, downGraceMs: 300_000, highWater: 0.9 }
const ids = Array.from({ length: 8 }, () => mintId('nod'))
const [a, b, c, d] = nodes(8)

test('content with all its wanted copies is left alone', () => {
  assert.equal(plan([pinned(a), pinned(b)], [a, b, c], { wanted: 2 }), null)
})

test('a missing copy goes to a node without one, and the next look finds nothing to do', () => {
  const repair = plan([pinned(a)], [a, b], { wanted: 2 })
  assert.deepEqual(repair?.add, [{ nodeId: b.id, reason: 'repair' }])
  assert.equal(repair.settled, true)
  assert.equal(plan([pinned(a), pinned(b, { state: 'queued' })], [a, b, c], { wanted: 2 }), null)
})

test('with too few nodes nothing is dropped, and the content stays unsettled', () => {
  const repair = plan([pinned(a)], [draining(a)], {})
  assert.deepEqual([repair?.add, repair?.drop, repair?.settled], [[], [], false])
})

test('a drain adds a copy elsewhere first, and drops its own only when that copy is pinned', () => {
  const first = plan([pinned(a)], [draining(a), b], {})
  assert.deepEqual(first?.add, [{ nodeId: b.id, reason: 'drain' }])
  assert.deepEqual([first.drop, first.settled], [[], false])
  const between = plan([pinned(a), pinned(b, { state: 'pinning' })], [draining(a), b], {})
  assert.deepEqual([between?.add, between?.drop, between?.settled], [[], [], false])
  const last = plan([pinned(a), pinned(b)], [draining(a), b], {})
  assert.deepEqual(last?.drop, [{ nodeId: a.id, reason: 'drain' }])
  assert.equal(last.settled, true)
})

test('a draining node drops a copy that it has not begun at once, and keeps one that it has begun until the other is pinned', () => {
  for (const state of ['queued', 'failed'] as const) {
    const repair = plan([pinned(a, { state })], [draining(a), b], {})
    assert.deepEqual(
      [repair?.add, repair?.drop],
      [[{ nodeId: b.id, reason: 'drain' }], [{ nodeId: a.id, reason: 'drain' }]],
    )
    assert.deepEqual(plan([pinned(a, { state })], [draining(a)], {})?.drop, [])
  }
  assert.deepEqual(plan([pinned(a, { state: 'pinning' })], [draining(a), b], {})?.drop, [])
})

test('a briefly silent node moves nothing; a node that is down loses its copies until it is back', () => {
  assert.equal(plan([pinned(a), pinned(b)], [blinking(a), b, c], { wanted: 2 }), null)
  const lost = plan([pinned(a), pinned(b)], [down(a), b, c], { wanted: 2 })
  assert.deepEqual([lost?.lose, lost?.add, lost?.drop], [[a.id], [{ nodeId: c.id, reason: 'node_down' }], []])
  const copies = [pinned(a, { lost: true }), pinned(b), pinned(c)]
  assert.equal(plan(copies, [down(a), b, c], { wanted: 2 }), null)
  assert.deepEqual(plan(copies, [blinking(a), b, c], { wanted: 2 })?.find, [a.id])
})

test('a node that is live but cannot work gives what waits there to others at once, and its pinned copies count for the grace', () => {
  for (const what of ['kubo', 'postgres'] as const) {
    const away = { ...a, unable: { what, forMs: 3_000, reason: 'away' } }
    const waiting = plan([pinned(a, { state: 'queued' })], [away, b], {})
    assert.deepEqual(
      [waiting?.add, waiting?.drop, waiting?.settled],
      [[{ nodeId: b.id, reason: 'node_down' }], [{ nodeId: a.id, reason: 'node_down' }], true],
    )
    const begun = plan([pinned(a, { state: 'pinning' })], [away, b], {})
    assert.deepEqual([begun?.add, begun?.drop], [[{ nodeId: b.id, reason: 'node_down' }], []])
    assert.deepEqual(plan([pinned(a, { state: 'queued' })], [away], {})?.drop, [], 'no node could take it')
    assert.equal(plan([pinned(a), pinned(b)], [away, b, c], { wanted: 2 }), null)
    assert.equal(plan([pinned(a, { state: 'failed' })], [away, b], {}), null, 'any node would fail')
    const long = { ...a, unable: { what, forMs: 400_000, reason: 'away' } }
    const lost = plan([pinned(a), pinned(b)], [long, b, c], { wanted: 2 })
    assert.deepEqual([lost?.lose, lost?.add], [[a.id], [{ nodeId: c.id, reason: 'node_down' }]])
  }
})

test('a copy that a leader has given up is found only once its node works, however short the next leader has listened', () => {
  const copies = [pinned(a, { lost: true }), pinned(b)]
  const away = { ...a, unable: { what: 'kubo', forMs: 10, reason: 'away' } } as const
  for (const node of [
    { ...away, down: true },
    { ...a, live: false, silentMs: 10, down: true },
  ])
    assert.equal(plan(copies, [node, b], {}), null)
  assert.deepEqual(plan(copies, [{ ...a, down: true }, b], {})?.find, [a.id])
})

test('surplus copies are dropped first from a node that came back: its disk may have been lost', () => {
  for (const name of ['a', 'b', 'c', 'd']) {
    const copies = [pinned(a, { lost: true }), pinned(b)]
    const back = plan(copies, [a, b, c], { cid: name })
    assert.deepEqual([back?.find, back?.drop], [[a.id], [{ nodeId: a.id, reason: 'node_down' }]])
  }
})

test('a node that comes back before the new copy is pinned makes that copy surplus', () => {
  const repair = plan([pinned(a, { lost: true }), pinned(b, { state: 'queued' })], [a, b], {})
  assert.deepEqual([repair?.find, repair?.drop], [[a.id], [{ nodeId: b.id, reason: 'surplus' }]])
})

test('content below the minimum is repaired without waiting for a silent node, whose copies are not marked lost', () => {
  const repair = plan([pinned(a), pinned(b)], [blinking(a), b, c], { wanted: 2 }, { minCopies: 2 })
  assert.deepEqual([repair?.add, repair?.lose], [[{ nodeId: c.id, reason: 'node_down' }], []])
  const added = [pinned(a), pinned(b), pinned(c, { state: 'queued' })]
  const next = plan(added, [blinking(a), b, c, d], { wanted: 2 }, { minCopies: 2 })
  assert.deepEqual(next?.add ?? [], [])
})

test('content that only a silent node has waits for it: there is no source to copy from', () => {
  assert.equal(plan([pinned(a)], [blinking(a), b, c], {}), null)
  assert.deepEqual(plan([pinned(a)], [down(a), b], {})?.add, [{ nodeId: b.id, reason: 'node_down' }])
})

test('a new pin that waits only for a silent node is given to another one; once that has pinned it the first copy is surplus', () => {
  for (const state of ['queued', 'pinning'] as const) {
    const copies = [pinned(a, { state })]
    assert.deepEqual(plan(copies, [blinking(a), b], {})?.add, [{ nodeId: b.id, reason: 'node_down' }])
    const both = [...copies, pinned(b, { state: 'queued' })]
    assert.deepEqual(plan(both, [blinking(a), b, c], {})?.add ?? [], [])
    const done = plan([...copies, pinned(b)], [a, b], {})
    assert.deepEqual(done?.drop, [{ nodeId: a.id, reason: 'surplus' }])
  }
})

test('a copy without room on its node goes elsewhere, and its failure is dropped once another copy is pinned', () => {
  const full = pinned(a, { state: 'failed', errorCode: 'node_full' })
  assert.deepEqual(plan([full], [a, b], {})?.add, [{ nodeId: b.id, reason: 'repair' }])
  const both = [full, pinned(b, { state: 'failed', errorCode: 'node_full' })]
  const stuck = plan(both, [a, b], { dagSize: null })
  assert.deepEqual([stuck?.add, stuck?.drop, stuck?.settled], [[], [], false])
  assert.deepEqual(plan([full, pinned(b)], [a, b], {})?.drop, [{ nodeId: a.id, reason: 'node_full' }])
})

test('content of a known size that no node had room for is tried again once a node has room', () => {
  const full = (node: Node): Copy => pinned(node, { state: 'failed', errorCode: 'node_full' })
  const filled = (node: Node): Node => ({ ...node, capacityBytes: 1_000, usedBytes: 895 })
  const waiting = plan([full(a), full(b)], [filled(a), filled(b)], {})
  assert.deepEqual([waiting?.add, waiting?.settled], [[], false])
  const again = plan([full(a), full(b)], [filled(a), b], {})
  assert.deepEqual(again?.add, [{ nodeId: b.id, reason: 'repair' }])
})

test('a failed copy is tried elsewhere only when some node has the content', () => {
  const failed = pinned(b, { state: 'failed', errorCode: 'stalled' })
  assert.deepEqual(plan([pinned(a), failed], [draining(a), b, c], {})?.add, [
    { nodeId: c.id, reason: 'drain' },
  ])
  assert.equal(plan([failed], [b, c], {}), null)
  // no later run would look at this content when the node is heard again
  assert.equal(plan([pinned(a), failed], [blinking(a), b, c], { wanted: 2 })?.add.length, 1)
})

test('content that moves keeps its old copy until the new one is pinned', () => {
  const leaving = pinned(a, { leaving: true })
  assert.deepEqual(plan([leaving, pinned(b, { state: 'pinning' })], [a, b, c], {})?.drop, [])
  assert.deepEqual(plan([leaving, pinned(b)], [a, b, c], {})?.drop, [{ nodeId: a.id, reason: 'rebalance' }])
})

test('content that failed on every node waits for a new request, with no more failed copies than are wanted', () => {
  const stalled = [a, b].map((node) => pinned(node, { state: 'failed', errorCode: 'stalled' }))
  assert.equal(plan(stalled, [a, b, c], { wanted: 2 }), null)
  const repair = plan(stalled, [a, b, c], {})
  assert.deepEqual([repair?.add, repair?.drop.length, repair?.settled], [[], 1, true])
  const full = pinned(c, { state: 'failed', errorCode: 'node_full' })
  const both = plan([full, ...stalled], [a, b, c], { wanted: 2 })
  assert.deepEqual(
    [both?.add, both?.drop, both?.settled],
    [[], [{ nodeId: c.id, reason: 'node_full' }], true],
  )
})

test('without another node a move is given up, and a failed copy is tried again', () => {
  const leaving = pinned(a, { leaving: true })
  const stuck = plan([leaving, pinned(b)], [a, draining(b)], {})
  assert.deepEqual([stuck?.add, stuck?.drop], [[{ nodeId: a.id, reason: 'drain' }], []])
  const failed = pinned(a, { state: 'failed', errorCode: 'stalled' })
  assert.deepEqual(plan([failed, pinned(b)], [a, b], { wanted: 2 })?.add, [
    { nodeId: a.id, reason: 'repair' },
  ])
  const unfetchable = [failed, pinned(b, { state: 'failed', errorCode: 'stalled' })]
  assert.equal(plan(unfetchable, [a, b], { wanted: 2 }), null)
})

test('content goes only where it has room below the high water', () => {
  const small = { ...b, capacityBytes: 1_000, usedBytes: 850 }
  assert.deepEqual(plan([], [small], { dagSize: 51 })?.add, [])
  assert.deepEqual(plan([], [small], { dagSize: 50 })?.add, [{ nodeId: b.id, reason: 'repair' }])
})

test('copies are added in a zone that has none, and dropped in a zone that has two', () => {
  const [east, east2, west] = [
    { ...a, zone: 'east' },
    { ...b, zone: 'east' },
    { ...c, zone: 'west' },
  ]
  for (const cid of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const add = plan([pinned(east)], [east, east2, west], { cid, wanted: 2 })?.add
    assert.deepEqual(add, [{ nodeId: west.id, reason: 'repair' }])
    const drop = plan([pinned(east), pinned(east2), pinned(west)], [east, east2, west], {
      cid,
      wanted: 2,
    })?.drop
    assert.notEqual(drop?.[0]?.nodeId, west.id)
    assert.equal(drop?.length, 1)
  }
})

test('content that no pin wants is only marked lost or found', () => {
  assert.equal(plan([pinned(a), pinned(b)], [draining(a), b], { wanted: 0 }), null)
  assert.deepEqual(plan([pinned(a)], [down(a)], { wanted: 0 })?.lose, [a.id])
})

const anyNode = fc.record({
  zone: fc.constantFrom(null, 'east', 'west'),
  capacityBytes: fc.constantFrom(null, 1_000),
  usedBytes: fc.constantFrom(0, 880, 1_000),
  state: fc.constantFrom('active' as const, 'active' as const, 'draining' as const, 'drained' as const),
  live: fc.boolean(),
  silentMs: fc.constantFrom(0, 400_000),
  unable: fc.constantFrom(null, null, inability(1_000), inability(400_000)),
  down: fc.boolean(),
})
const anyCopy = fc.record({
  state: fc.constantFrom(...placementStates, 'pinned' as const),
  errorCode: fc.constantFrom(null, 'node_full' as const, 'stalled' as const),
  lost: fc.boolean(),
  leaving: fc.boolean(),
})
const anySight = fc
  .record({
    nodes: fc.array(anyNode, { minLength: ids.length, maxLength: ids.length }),
    copies: fc.array(fc.option(anyCopy, { nil: undefined }), { maxLength: ids.length }),
    cid: fc.string(),
    wanted: fc.integer({ min: 0, max: 4 }),
    dagSize: fc.constantFrom(null, 10, 50),
    minCopies: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ nodes: made, copies, cid, wanted, dagSize, minCopies }) => ({
    nodes: made.map((node, index) => ({ ...nodeOf(index), ...node })),
    content: {
      cid,
      wanted,
      dagSize,
      copies: copies.flatMap((copy, index) =>
        copy === undefined ? [] : [{ nodeId: idOf(index), generation: index, ...copy }],
      ),
    },
    policy: { ...policy, minCopies },
  }))

test('once a repair is applied there is nothing to do the second time', () => {
  fc.assert(
    fc.property(anySight, ({ content, nodes: there, policy: rules }) => {
      const repair = planRepair(content, there, rules)
      if (repair === null) return
      const after = applied(content, repair)
      const again = planRepair(after, there, rules)
      assert.equal(again === null, repair.settled)
      if (again === null) return
      assert.deepEqual([again.add, again.lose, again.find], [[], [], []])
      // after a move is given up, its old copy counts again at once, and other copies may be dropped
      const revived = repair.add.some(({ nodeId }) =>
        content.copies.some((copy) => copy.nodeId === nodeId && copy.leaving && copy.state === 'pinned'),
      )
      if (!revived) assert.deepEqual(again.drop, [])
      const third = planRepair(applied(after, again), there, rules)
      assert.deepEqual(third?.drop ?? [], [])
    }),
    { numRuns: 2_000 },
  )
})

test('the order of nodes and copies does not matter', () => {
  fc.assert(
    fc.property(anySight, ({ content, nodes: there, policy: rules }) => {
      const turned = planRepair(
        { ...content, copies: content.copies.toReversed() },
        there.toReversed(),
        rules,
      )
      const straight = planRepair(content, there, rules)
      assert.deepEqual(sorted(turned), sorted(straight))
    }),
  )
})

test('a pinned copy is dropped only while as many other copies as are wanted are pinned on nodes that work', () => {
  fc.assert(
    fc.property(anySight, ({ content, nodes: there, policy: rules }) => {
      const repair = planRepair(content, there, rules)
      if (repair === null) return
      const dropped = new Set(repair.drop.map(({ nodeId }) => nodeId))
      const stand = (copy: Copy): boolean =>
        copy.state === 'pinned' &&
        !copy.leaving &&
        there.some((node) => node.id === copy.nodeId && nodeStanding(node, rules) === 'good')
      const left = content.copies.filter((copy) => stand(copy) && !dropped.has(copy.nodeId))
      const pinnedGone = content.copies.filter((copy) => copy.state === 'pinned' && dropped.has(copy.nodeId))
      if (pinnedGone.length > 0) assert.ok(content.wanted > 0 && left.length >= content.wanted)
    }),
    { numRuns: 2_000 },
  )
})

test('copies are added only to working active nodes without a copy that counts, and never more than are missing', () => {
  fc.assert(
    fc.property(anySight, (sight) => {
      const { content, policy: rules } = sight
      const repair = planRepair(content, sight.nodes, rules)
      if (repair === null) return
      for (const { nodeId } of repair.add) {
        const node = sight.nodes.find(({ id }) => id === nodeId)
        assert.equal(node && nodeStanding(node, rules), 'good')
        const there = content.copies.find((copy) => copy.nodeId === nodeId)
        assert.ok(there === undefined || there.leaving || there.state === 'failed')
      }
      assert.ok(repair.add.length <= content.wanted)
      assert.ok(repair.add.length === 0 || repair.drop.every(({ reason }) => reason !== 'surplus'))
    }),
    { numRuns: 2_000 },
  )
})

function inability(forMs: number): Inability {
  return { what: 'kubo', forMs, reason: 'away' }
}

/** The content after the store has applied `repair`, as far as the planner can see. */
function applied(content: ContentCopies, repair: Repair): ContentCopies {
  const has = (list: { nodeId: NodeId }[], id: NodeId): boolean => list.some(({ nodeId }) => nodeId === id)
  const stateOf = ({ nodeId, state }: Copy): Copy['state'] => {
    if (has(repair.drop, nodeId)) return 'unpinning'
    return has(repair.add, nodeId) && state === 'failed' ? 'queued' : state
  }
  const copies = content.copies.map((copy) => ({
    ...copy,
    state: stateOf(copy),
    leaving: copy.leaving && !has(repair.add, copy.nodeId),
    lost: (copy.lost || repair.lose.includes(copy.nodeId)) && !repair.find.includes(copy.nodeId),
  }))
  const fresh = repair.add.filter(({ nodeId }) => !has(content.copies, nodeId))
  return { ...content, copies: [...copies, ...fresh.map(({ nodeId }) => queued(nodeId))] }
}

function sorted(repair: Repair | null): unknown {
  const byNode = (x: { nodeId: NodeId }, y: { nodeId: NodeId }): number => (x.nodeId < y.nodeId ? -1 : 1)
  return (
    repair && {
      ...repair,
      seen: repair.seen.toSorted(byNode),
      add: repair.add.toSorted(byNode),
      drop: repair.drop.toSorted(byNode),
      lose: repair.lose.toSorted(),
      find: repair.find.toSorted(),
    }
  )
}

function plan(
  copies: Copy[],
  there: Node[],
  content: Partial<ContentCopies>,
  rules: Partial<RepairPolicy> = {},
): Repair | null {
  return planRepair({ cid: 'cid', wanted: 1, dagSize: 10, copies, ...content }, there, {
    ...policy,
    ...rules,
  })
}

function pinned({ id }: Node, more: Partial<Copy> = {}): Copy {
  return { nodeId: id, generation: 1, state: 'pinned', errorCode: null, lost: false, leaving: false, ...more }
}

function queued(nodeId: NodeId): Copy {
  return { nodeId, generation: 9, state: 'queued', errorCode: null, lost: false, leaving: false }
}

function draining(node: Node): Node {
  return { ...node, state: 'draining' }
}

function blinking(node: Node): Node {
  return { ...node, live: false, silentMs: 1_000 }
}

function down(node: Node): Node {
  return { ...node, live: false, silentMs: 400_000 }
}

function nodes(_count: 8): [Node, Node, Node, Node] {
  return [nodeOf(0), nodeOf(1), nodeOf(2), nodeOf(3)]
}

function idOf(index: number): NodeId {
  return ids[index] ?? assert.fail('no such node')
}

function nodeOf(index: number): Node {
  return fakeNode({ id: idOf(index), name: `n${index}`, capacityBytes: 2 ** 40, usedBytes: 0 })
}
