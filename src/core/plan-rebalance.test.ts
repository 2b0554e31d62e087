import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mintId, type NodeId } from './ids.ts'
import type { Node } from './node.ts'
import { planRebalance, type Movable, type RebalancePolicy } from './plan-rebalance.ts'
import type { Move } from './plan.ts'
import { fakeNode } from '../../testing/fakes/node.ts'

const policy: RebalancePolicy = { highWater: 0.9, tolerance: 0.05 }
const ids = Array.from({ length: 12 }, () => mintId('nod')).toSorted()

test('a new empty node gets its share, a part of it from every other node', async () => {
  const nodes = [node(0), node(1), node(2)]
  const contents = contentsOf(Array.from({ length: 1_000 }, (_, i) => ({ bytes: 1_000, on: [i % 2] })))
  const { summary, moves } = await plan(nodes, contents)
  assert.ok(moves.every(({ to }) => to === ids[2]))
  assert.deepEqual([...new Set(moves.map(({ from }) => from))].toSorted(), ids.slice(0, 2))
  // a third of all bytes, less the tolerance
  assert.equal(summary.bytesToMove, Math.round((1_000_000 / 3) * 0.95))
  within(sum(moves) / summary.bytesToMove, 0.99, 1.01)
  const last = summary.nodes.at(-1)
  assert.deepEqual([last?.nodeId, last?.share], [ids[2], 0])
  within(last?.shareAfter ?? 0, 0.316, 0.317)
  assert.match(moves[0]?.reason ?? '', /^n[01] has 150 % of its fair share, n2 0 %$/)
})

test('within the tolerance nothing moves', async () => {
  const contents = contentsOf([
    { bytes: 104, on: [0] },
    { bytes: 96, on: [1] },
  ])
  assert.deepEqual((await plan([node(0), node(1)], contents)).moves, [])
  assert.deepEqual((await plan([], new Map())).moves, [])
  assert.deepEqual((await plan([node(0)], contents)).moves, [])
})

test('shares follow capacity', async () => {
  const nodes = [node(0), node(1, { capacityBytes: 3_000_000 })]
  const contents = contentsOf(Array.from({ length: 400 }, () => ({ bytes: 100, on: [0] })))
  const { moves } = await plan(nodes, contents)
  // down to 105 % of its fair share
  within(sum(moves), 29_500, 29_600)
})

test('a node that drains, is silent, has no room, or has not reported its size gets nothing and gives nothing', async () => {
  const nodes = [
    node(0),
    node(1, { state: 'draining' }),
    node(2, { live: false }),
    node(3, { usedBytes: 900_000 }),
    node(4),
    node(5, { capacityBytes: null }),
  ]
  const contents = contentsOf(Array.from({ length: 300 }, (_, i) => ({ bytes: 100, on: [i % 3] })))
  const { moves } = await plan(nodes, contents)
  assert.ok(moves.length > 0)
  assert.ok(moves.every(({ from, to }) => from === ids[0] && to === ids[4]))
})

test('no move brings content into fewer zones', async () => {
  const nodes = [
    node(0, { zone: 'east' }),
    node(1, { zone: 'west' }),
    node(2, { zone: 'west' }),
    node(3, { zone: 'east' }),
  ]
  const contents = contentsOf(Array.from({ length: 300 }, () => ({ bytes: 100, on: [0, 1] })))
  const { moves } = await plan(nodes, contents)
  assert.ok(moves.length > 0)
  for (const { from, to } of moves) {
    assert.ok((from === ids[0] && to === ids[3]) || (from === ids[1] && to === ids[2]))
  }
})

test('a content that is larger than the bytes to move stays; smaller ones move', async () => {
  const contents = contentsOf([
    { bytes: 900, on: [0] },
    ...Array.from({ length: 10 }, () => ({ bytes: 10, on: [0] })),
  ])
  const { moves } = await plan([node(0), node(1)], contents)
  assert.ok(moves.every(({ bytes }) => bytes === 10))
  assert.equal(moves.length, 10)
})

test('two nodes that give the same content give it to different nodes', async () => {
  const nodes = Array.from({ length: 10 }, (_, i) => node(i))
  const contents = contentsOf(Array.from({ length: 2_000 }, () => ({ bytes: 100, on: [0, 1] })))
  const { moves, summary } = await plan(nodes, contents)
  within(sum(moves) / summary.bytesToMove, 0.98, 1.05)
  const places = new Set(moves.map(({ cid, to }) => `${cid} ${to}`))
  assert.equal(places.size, moves.length)
})

test('an abort ends the planning between pages', async () => {
  const contents = contentsOf(Array.from({ length: 1_000 }, () => ({ bytes: 100, on: [0] })))
  const stop = new AbortController()
  stop.abort(new Error('enough'))
  await assert.rejects(plan([node(0), node(1)], contents, stop.signal), /enough/)
})

const anyCluster = fc
  .record({
    nodes: fc.array(
      fc.record({
        zone: fc.constantFrom(null, 'east', 'west'),
        capacityBytes: fc.constantFrom(500_000, 1_000_000, 4_000_000),
        live: fc.constantFrom(true, true, true, false),
      }),
      { minLength: 2, maxLength: ids.length },
    ),
    contents: fc.array(
      fc.record({
        bytes: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 100, max: 2_000 })),
        on: fc.uniqueArray(fc.nat(ids.length - 1), { minLength: 1, maxLength: 3 }),
      }),
      { maxLength: 200 },
    ),
  })
  .map(({ nodes, contents }) => ({
    nodes: nodes.map((more, index) => node(index, more)),
    contents: contentsOf(
      contents.map(({ bytes, on }) => ({ bytes, on: [...new Set(on.map((index) => index % nodes.length))] })),
    ),
  }))

test('every move is legal, no node both gives and gets, and little more moves than must', async () => {
  await fc.assert(
    fc.asyncProperty(anyCluster, async ({ nodes, contents }) => {
      const { moves, summary } = await plan(nodes, contents)
      const zones = (at: NodeId[]): number =>
        new Set(at.map((id) => nodes.find((n) => n.id === id)?.zone)).size
      for (const { cid, from, to, bytes } of moves) {
        const content = contents.get(cid) ?? assert.fail('no such content')
        assert.ok(content.holders.includes(from) && !content.holders.includes(to))
        const after = [...content.holders.filter((id) => id !== from), to]
        assert.ok(zones(after) >= zones(content.holders))
        assert.ok([from, to].every((id) => nodes.find((n) => n.id === id)?.live))
        content.holders = after
        assert.equal(bytes, content.bytes)
      }
      assert.ok(sum(moves) <= 1.1 * summary.bytesToMove + 1)
      const givers = new Set(moves.map(({ from }) => from))
      assert.ok(moves.every(({ to }) => !givers.has(to)))
    }),
    { numRuns: 500 },
  )
})

test('plans that are carried out one after another soon find nothing to move', async () => {
  await fc.assert(
    fc.asyncProperty(anyCluster, async ({ nodes, contents }) => {
      for (let round = 0; ; round++) {
        const { moves } = await plan(nodes, contents)
        if (moves.length === 0) return
        assert.ok(round < 10, 'no end of moves')
        for (const { cid, from, to } of moves) {
          const content = contents.get(cid) ?? assert.fail('no such content')
          content.holders = [...content.holders.filter((id) => id !== from), to]
        }
      }
    }),
    { numRuns: 300 },
  )
})

type Contents = Map<string, { cid: string; bytes: number; holders: NodeId[] }>

function contentsOf(contents: { bytes: number; on: number[] }[]): Contents {
  return new Map(
    contents.map(({ bytes, on }, index) => {
      const cid = `cid-${String(index).padStart(6, '0')}`
      return [cid, { cid, bytes, holders: on.map(idOf) }]
    }),
  )
}

async function plan(nodes: Node[], contents: Contents, signal = new AbortController().signal) {
  const rows = [...contents.values()].toSorted((a, b) => (a.cid < b.cid ? -1 : 1))
  const usage = nodes.map(({ id }) => ({
    nodeId: id,
    bytes: rows.filter(({ holders }) => holders.includes(id)).reduce((total, { bytes }) => total + bytes, 0),
  }))
  const movable = async (id: NodeId, afterCid: string): Promise<Movable[]> =>
    rows
      .filter(({ cid, holders }) => holders.includes(id) && cid > afterCid)
      .slice(0, 7)
      .map(({ cid, bytes, holders }) => ({ cid, bytes, holders: [...holders] }))
  const { summary, pages } = planRebalance({ nodes, usage, movable, policy, signal })
  return { summary, moves: (await Array.fromAsync(pages)).flat() }
}

function within(value: number, least: number, most: number): void {
  assert.ok(value >= least && value <= most, `${value} is not within ${least} to ${most}`)
}

function sum(moves: Move[]): number {
  return moves.reduce((total, { bytes }) => total + bytes, 0)
}

function idOf(index: number): NodeId {
  return ids[index] ?? assert.fail('no such node')
}

function node(index: number, more: Partial<Node> = {}): Node {
  return fakeNode({ id: idOf(index), name: `n${index}`, capacityBytes: 1_000_000, usedBytes: 0, ...more })
}
