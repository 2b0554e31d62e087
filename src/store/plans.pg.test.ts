import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import type { Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId, type PinId, type PlanId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import { leaveAsSeen } from '../core/plan-repair.ts'
import type { Plan, Move } from '../core/plan.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'

const actor = mintId('tok')
const { store, system } = await testStore()
let org: OrgId
let epoch: Epoch
/** New nodes for each test. */
let full: NodeIdentity
let empty: NodeIdentity
let round = 0

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  epoch = await nextEpoch(store)
})
beforeEach(async () => {
  round++
  full = await store.nodes.boot(`full-${round}`)
  empty = await store.nodes.boot(`empty-${round}`)
  await system.query(`update plans set state = 'cancelled' where state = 'applying'`)
  await system.query(`update plan_moves set state = 'done' where state = 'moving'`)
})

test('the store lists the copies that may be moved, and what each node has', async () => {
  await pinned(['book-1', 'book-2', 'book-3'])
  assert.deepEqual(await store.plans.movable(full.nodeId, 'book-1', 10), [
    { cid: 'book-2', bytes: 10, holders: [full.nodeId] },
    { cid: 'book-3', bytes: 10, holders: [full.nodeId] },
  ])
  assert.equal((await store.plans.movable(full.nodeId, '', 1)).length, 1)
  assert.deepEqual(await usageOf(full), { nodeId: full.nodeId, placements: 3, bytes: 30 })
  assert.equal(await usageOf(empty), undefined)
})

test('a plan is visible only once all of its pages are saved, with its moves in order', async () => {
  const id = mintId('pln')
  const seen: unknown[] = []
  const whole = await store.plans.savePlan({ id, actor: 'op', summary: { why: 'test' } }, pages())
  async function* pages(): AsyncIterable<Move[]> {
    yield [moveOf('one'), moveOf('two')]
    seen.push(await store.plans.plan(id).catch((error: unknown) => isCode(error, 'not_found')))
    yield [moveOf('three')]
  }
  assert.deepEqual(seen, [true])
  assert.deepEqual(
    [whole.state, whole.moves, whole.bytes, whole.done, whole.skipped, whole.summary],
    ['planned', 3, 30, 0, 0, { why: 'test' }],
  )
  assert.deepEqual((await store.plans.plans(1))[0], whole)
  const moves = await store.plans.moves(id, 1, 10)
  assert.deepEqual(moves[0], { ...moveOf('two'), number: 2, state: 'planned', note: null })
  assert.deepEqual(
    moves.map((move) => move.cid),
    ['two', 'three'],
  )

  const broken = mintId('pln')
  async function* breaking(): AsyncIterable<Move[]> {
    yield [moveOf('one')]
    throw new Error('the planner broke')
  }
  await assert.rejects(
    store.plans.savePlan({ id: broken, actor: 'op', summary: {} }, breaking()),
    /the planner broke/,
  )
  assert.deepEqual(
    (await system.query('select from plan_moves where plan_id = $1', [uuidOf(broken)])).rowCount,
    0,
  )
})

test('a plan changes its state only as allowed, and each change is audited once', async () => {
  const { id } = await planOf([moveOf('x')])
  await assert.rejects(store.plans.setPlanState(id, 'paused', 'op'), (e) => isCode(e, 'conflict'))
  assert.equal((await store.plans.setPlanState(id, 'applying', 'op')).state, 'applying')
  assert.equal((await store.plans.setPlanState(id, 'applying', 'op')).state, 'applying')
  assert.equal((await store.plans.applying())?.id, id)
  assert.equal((await store.plans.setPlanState(id, 'paused', 'op')).state, 'paused')
  assert.equal(await store.plans.applying(), null)
  assert.equal((await store.plans.setPlanState(id, 'cancelled', 'op')).state, 'cancelled')
  await assert.rejects(store.plans.setPlanState(id, 'applying', 'op'), (e) => isCode(e, 'conflict'))
  await assert.rejects(store.plans.setPlanState(mintId('pln'), 'applying', 'op'), (e) =>
    isCode(e, 'not_found'),
  )
  assert.deepEqual(
    (await store.operator.audit({ limit: 4 })).map((entry) => [entry.action, entry.target]),
    [
      ['plan.cancelled', id],
      ['plan.paused', id],
      ['plan.applying', id],
      ['plan.create', id],
    ],
  )
})

test('a move adds its copy before the old one leaves, so the content always has one', async () => {
  const [pin] = await pinned(['moved'])
  assert.ok(pin)
  const { id } = await planOf([moveOf('moved')])
  assert.deepEqual(await store.plans.startMoves(epoch, id, 10, 1_000), { jobs: [], started: 0, skipped: 0 })
  await store.plans.setPlanState(id, 'applying', 'op')
  const begun = await store.plans.startMoves(epoch, id, 10, 1_000)
  assert.deepEqual(
    [begun.started, begun.skipped, begun.jobs.map((job) => job.nodeId)],
    [1, 0, [empty.nodeId]],
  )
  assert.deepEqual(await store.plans.startMoves(epoch, id, 10, 1_000), { jobs: [], started: 0, skipped: 0 })
  assert.deepEqual(await store.plans.settleMoves(epoch, id), { done: 0, left: 1 })
  assert.deepEqual(await store.plans.movable(full.nodeId, '', 10), [])
  assert.deepEqual(await store.repair.moving(), { copies: 1, bytes: 10 })
  assert.deepEqual(await figuresOf(id), {
    moves: 1,
    done: 0,
    moving: 1,
    skipped: 0,
    bytesDone: 0,
    bytesArrived: 0,
    bytesSkipped: 0,
  })
  // another pin of the content needs no copy of its own
  const [again] = await store.pins.acceptPins(org, [newPin('moved')], false)
  assert.ok(again && 'pin' in again)
  assert.deepEqual([again.pin.status, again.woken.map((woken) => woken.nodeId)], ['pinned', [empty.nodeId]])

  await system.query(`update placements set bytes = 7 where cid = 'moved' and node_id = $1`, [
    uuidOf(empty.nodeId),
  ])
  assert.equal((await figuresOf(id)).bytesArrived, 7, 'bytes that have arrived count')
  await work(empty, 'moved')
  assert.equal((await figuresOf(id)).bytesArrived, 10)
  assert.equal((await store.pins.getPin(org, pin)).status, 'pinned')
  const [content] = await store.repair.onNode(full.nodeId, '', 1)
  assert.ok(content)
  assert.deepEqual(
    Object.fromEntries(content.copies.map((copy) => [copy.nodeId, [copy.state, copy.leaving]])),
    {
      [empty.nodeId]: ['pinned', false],
      [full.nodeId]: ['pinned', true],
    },
  )
  assert.ok((await store.repair.unsettled('', 100)).some(({ cid }) => cid === 'moved'))
  const drop = [{ nodeId: full.nodeId, reason: 'rebalance' as const }]
  const done = await store.repair.apply(epoch, [{ ...leaveAsSeen(content), drop }])
  assert.equal(done.dropped, 1)
  assert.deepEqual(await store.plans.settleMoves(epoch, id), { done: 0, left: 1 })
  await work(full, 'moved', 'unpin')
  assert.deepEqual(await store.plans.settleMoves(epoch, id), { done: 1, left: 0 })
  assert.deepEqual(await store.plans.settleMoves(epoch, id), { done: 0, left: 0 })
  const plan = await store.plans.plan(id)
  assert.deepEqual([plan.state, plan.done, plan.skipped], ['applied', 1, 0])
  assert.deepEqual(await figuresOf(id), {
    moves: 1,
    done: 1,
    moving: 0,
    skipped: 0,
    bytesDone: 10,
    bytesArrived: 0,
    bytesSkipped: 0,
  })
  assert.equal((await store.pins.getPin(org, pin)).status, 'pinned')
})

test('a move that no longer fits is skipped, with the reason', async () => {
  const [, gone] = await pinned(['fits', 'gone', 'there', 'elsewhere'])
  assert.ok(gone)
  await store.pins.removePin(org, gone, actor)
  const other = await store.nodes.boot(`other-${round}`)
  const closed = await store.nodes.boot(`closed-${round}`)
  await store.operator.drain(closed.nodeId, 'op')
  const { id } = await planOf([
    moveOf('fits'),
    moveOf('gone'),
    { ...moveOf('there'), from: other.nodeId },
    { ...moveOf('elsewhere'), to: full.nodeId },
    { ...moveOf('elsewhere'), to: closed.nodeId },
  ])
  await store.plans.setPlanState(id, 'applying', 'op')
  const { started, skipped } = await store.plans.startMoves(epoch, id, 10, 1_000)
  assert.deepEqual([started, skipped], [1, 4])
  assert.deepEqual(
    (await store.plans.moves(id, 0, 10)).map((move) => [move.state, move.note]),
    [
      ['moving', null],
      ['skipped', 'no pin wants it any more'],
      ['skipped', 'its copy is no longer pinned there'],
      ['skipped', 'the other node has it by now'],
      ['skipped', 'the other node takes no content'],
    ],
  )
  assert.deepEqual(await figuresOf(id), {
    moves: 5,
    done: 0,
    moving: 1,
    skipped: 4,
    bytesDone: 0,
    bytesArrived: 0,
    bytesSkipped: 40,
  })
})

test('a plan without moves is applied as soon as it is saved', async () => {
  const { id, state } = await planOf([])
  assert.equal(state, 'applied')
  await assert.rejects(store.plans.setPlanState(id, 'cancelled', 'op'), (e) => isCode(e, 'conflict'))
})

test('moves begin within their limits of number and bytes, but one move of any size may begin', async () => {
  const cids = Array.from({ length: 6 }, (_, i) => `bound-${i}`)
  await pinned(cids)
  const { id } = await planOf(cids.map(moveOf))
  await store.plans.setPlanState(id, 'applying', 'op')
  const started = async (limit: number, bytes: number) =>
    (await store.plans.startMoves(epoch, id, limit, bytes)).started
  assert.equal(await started(2, 1_000), 2)
  assert.equal(await started(10, 20), 2)
  assert.equal(await started(10, 0), 0)
  assert.equal(await started(10, 1), 1)
})

test('two leaders: the older one moves nothing; a cancelled plan begins nothing, and the moves that it began are settled', async () => {
  await pinned(['fence-1', 'fence-2'])
  const { id } = await planOf([moveOf('fence-1'), moveOf('fence-2')])
  await store.plans.setPlanState(id, 'applying', 'op')
  const old = epoch
  epoch = await nextEpoch(store)
  await assert.rejects(store.plans.startMoves(old, id, 1, 1_000), (e) => isCode(e, 'not_leading'))
  await assert.rejects(store.plans.settleMoves(old, id), (e) => isCode(e, 'not_leading'))
  await store.operator.setMaintenance({ reason: 'rest', ttlMs: null }, 'op')
  await assert.rejects(store.plans.startMoves(epoch, id, 1, 1_000), (e) => isCode(e, 'maintenance'))
  await store.operator.setMaintenance(null, 'op')
  assert.equal((await store.plans.startMoves(epoch, id, 1, 1_000)).started, 1)
  await store.plans.setPlanState(id, 'cancelled', 'op')
  assert.equal((await store.plans.applying())?.id, id)
  assert.equal((await store.plans.startMoves(epoch, id, 1, 1_000)).started, 0)
  await system.query(`delete from placements where cid = 'fence-1' and node_id = $1`, [uuidOf(full.nodeId)])
  assert.deepEqual(await store.plans.settleMoves(epoch, id), { done: 1, left: 1 })
  assert.equal(await store.plans.applying(), null)
  assert.equal((await store.plans.plan(id)).state, 'cancelled')
})

test('plans that are over are pruned after a while, and so are those that were never saved to the end', async () => {
  const [over, open] = [await planOf([moveOf('x')]), await planOf([moveOf('x')])]
  await store.plans.setPlanState(over.id, 'cancelled', 'op')
  assert.equal(await store.plans.prunePlans(60_000, 100), 0)
  await system.query(`update plans set created_at = now() - interval '2 days' where id = any ($1)`, [
    [over, open].map(({ id }) => uuidOf(id)),
  ])
  await system.query(
    `insert into plans (id, actor, summary, created_at) values (gen_random_uuid(), 'op', '{}', now() - interval '2 days')`,
  )
  assert.equal(await store.plans.prunePlans(60_000, 100), 2)
  await assert.rejects(store.plans.plan(over.id), (e) => isCode(e, 'not_found'))
  assert.equal((await store.plans.plan(open.id)).moves, 1)
})

function newPin(cid: string) {
  return { id: mintId('pin'), cid, cidText: cid, replicas: 1, actor, nodes: [full.nodeId] }
}

async function pinned(cids: string[]): Promise<PinId[]> {
  const accepted = await store.pins.acceptPins(org, cids.map(newPin), false)
  for (const cid of cids) await work(full, cid)
  return accepted.map((one) => ('pin' in one ? one.pin.id : assert.fail()))
}

async function work(node: NodeIdentity, cid: string, expected: 'pin' | 'unpin' = 'pin'): Promise<void> {
  const due = (await store.placements.due(node, 100, 100)).filter((job) => job.cid === cid)
  const [claim] = await store.placements.claim(node, due, 30_000)
  assert.equal(claim?.work, expected)
  await store.placements.finish(node, [
    {
      cid,
      generation: claim.generation,
      outcome:
        expected === 'pin'
          ? { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false }
          : { kind: 'unpinned' },
    },
  ])
}

function moveOf(cid: string): Move {
  return { cid, from: full.nodeId, to: empty.nodeId, bytes: 10, reason: 'too much here' }
}

async function planOf(moves: Move[]): Promise<Plan & { id: PlanId }> {
  async function* pages(): AsyncIterable<Move[]> {
    yield moves
  }
  return store.plans.savePlan({ id: mintId('pln'), actor: 'op', summary: {} }, pages())
}

async function figuresOf(plan: PlanId) {
  const { moves, done, moving, skipped, ...rest } = await store.plans.plan(plan)
  const { bytesDone, bytesArrived, bytesSkipped } = rest
  return { moves, done, moving, skipped, bytesDone, bytesArrived, bytesSkipped }
}

async function usageOf(node: NodeIdentity) {
  return (await store.plans.usage()).find(({ nodeId }) => nodeId === node.nodeId)
}
