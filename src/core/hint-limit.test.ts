import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { hintLimit } from './hint-limit.ts'
import { mintId, type NodeId } from './ids.ts'
import type { WokenPlacement } from './pin.ts'

const org = mintId('org')
const busy = mintId('nod')
const free = mintId('nod')

function world(crowded: () => Promise<NodeId[]>) {
  const at = { ms: 0 }
  const limit = hintLimit({ crowded }, { steadyMs: () => at.ms })
  return { at, limit }
}

function hints(nodeId: NodeId, count: number): WokenPlacement[] {
  return Array.from({ length: count }, (_, n) => ({
    cid: `bafk${n}`,
    nodeId,
    orgId: org,
    generation: n,
    attempt: 1,
  }))
}

test('hints for a node with enough waiting jobs are left out; hints for other nodes are sent', async () => {
  const { limit } = world(() => Promise.resolve([busy]))
  assert.equal(limit(org, hints(busy, 64)).length, 64, 'nothing is known yet')
  await setImmediate()
  assert.equal(limit(org, hints(busy, 10)).length, 0)
  assert.equal(limit(org, hints(free, 10)).length, 10)
  assert.equal(limit(mintId('org'), hints(busy, 10)).length, 10, 'an org counts for itself')
})

test('a result is forgotten after a second', async () => {
  const { at, limit } = world(() => Promise.resolve([busy]))
  limit(org, hints(busy, 64))
  await setImmediate()
  at.ms = 1_001
  assert.equal(limit(org, hints(busy, 1)).length, 1)
})

test('a failed look withholds no hints and is repeated', async () => {
  let looks = 0
  const { limit } = world(() => Promise.reject(new Error(`away ${++looks}`)))
  for (let n = 0; n < 3; n++) {
    assert.equal(limit(org, hints(busy, 64)).length, 64)
    await setImmediate()
  }
  assert.equal(looks, 3)
})
