import assert from 'node:assert/strict'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { before, test } from 'node:test'
import { mintId, type NodeId } from '../core/ids.ts'
import type { NewPin, Pin } from '../core/pin.ts'
import type { Outcome } from '../core/placement.ts'
import { leaveAsSeen } from '../core/plan-repair.ts'
import type { Store } from './store.ts'
import { testStore } from '../../testing/database/test-store.ts'

const actor = mintId('tok')
const { store, system } = await testStore({ replicas: 2, knownNodes: { addresses: (id) => [`/at/${id}`] } })
const nodes: NodeId[] = []

before(async () => {
  for (const name of ['node-1', 'node-2', 'node-3']) nodes.push((await store.nodes.boot(name)).nodeId)
})

test('a pin without a number of replicas gets the number of its org, or otherwise the number of the cluster', async () => {
  const org = (await store.orgDirectory.createOrg('numbers', {}, 'operator')).id
  assert.deepEqual(await accepted('cluster', { org }), ['2', 2])
  await store.orgDirectory.setOrg(org, { defaultReplicas: 3 }, 'operator')
  assert.deepEqual(await accepted('org', { org }), ['3', 3])
  assert.deepEqual(await accepted('pin', { org, replicas: 1 }), ['1', 1])
  await store.orgDirectory.setOrg(org, { defaultReplicas: null }, 'operator')
  assert.deepEqual(await accepted('cluster again', { org }), ['2', 2])
  const made = (await store.orgDirectory.createOrg('made-with', { defaultReplicas: 1 }, 'operator')).id
  assert.deepEqual(await accepted('made', { org: made }), ['1', 1])
})

test('in one batch each pin of a content keeps its own number of replicas, and the content gets the greatest of them', async () => {
  const org = (await store.orgDirectory.createOrg('batch', {}, 'operator')).id
  const outcomes = await store.pins.acceptPins(
    org,
    [newPin('batched', { replicas: 1 }), newPin('batched', { replicas: 3 }), newPin('batched')],
    false,
  )
  assert.deepEqual(
    outcomes.map((outcome) => 'pin' in outcome && outcome.pin.info.replicas),
    ['1', '3', '2'],
  )
  assert.equal(await placementsOf('batched'), 3)
  assert.deepEqual(await contentOf('batched'), { wanted: 3, unsettled: false })
})

test('with fewer nodes than replicas a pin is accepted, placed on the nodes that there are, and left to repair', async () => {
  const org = (await store.orgDirectory.createOrg('short', {}, 'operator')).id
  const [short] = await store.pins.acceptPins(
    org,
    [newPin('short', { replicas: 3, nodes: nodes.slice(0, 1) })],
    false,
  )
  assert.ok(short && 'pin' in short)
  assert.equal(short.pin.info.status_details, 'accepted; 2 copies wait for a node that has room')
  assert.deepEqual(short.pin.delegates, [`/at/${nodes[0]}`])
  assert.equal(await placementsOf('short'), 1)
  assert.deepEqual(await contentOf('short'), { wanted: 3, unsettled: true })
  const pin = await store.pins.getPin(org, short.pin.id)
  assert.match(pin.info.status_details ?? '', /2 copies wait for a node that has room$/)

  // a pin that wants no more copies than there are nodes marks nothing for repair
  await store.pins.acceptPins(org, [newPin('enough', { replicas: 1, nodes: nodes.slice(0, 1) })], false)
  assert.deepEqual(await contentOf('enough'), { wanted: 1, unsettled: false })
})

test('with no node at all a pin is accepted, queued, and left to repair', async () => {
  const org = (await store.orgDirectory.createOrg('none', {}, 'operator')).id
  const [none] = await store.pins.acceptPins(org, [newPin('none', { replicas: 1, nodes: [] })], false)
  assert.ok(none && 'pin' in none)
  assert.equal(none.pin.status, 'queued')
  assert.equal(await placementsOf('none'), 0)
  assert.deepEqual(await contentOf('none'), { wanted: 1, unsettled: true })
  assert.equal((await store.pins.getPin(org, none.pin.id)).status, 'queued')
  // the next pin of the content finds a node
  await store.pins.acceptPins(org, [newPin('none', { replicas: 1 })], false)
  assert.equal(await placementsOf('none'), 1)
  await store.pins.removePin(org, none.pin.id, actor)
})

test('a second pin that wants more copies adds only the missing ones', async () => {
  const org = (await store.orgDirectory.createOrg('more', {}, 'operator')).id
  await store.pins.acceptPins(org, [newPin('more', { replicas: 1, nodes: [...nodes].reverse() })], false)
  const [second] = await store.pins.acceptPins(org, [newPin('more', { replicas: 3 })], false)
  assert.ok(second && 'pin' in second)
  assert.equal(second.woken.length, 3)
  assert.equal(await placementsOf('more'), 3)
})

test('an accept that is repeated answers with the number of replicas that it was accepted with', async () => {
  const org = (await store.orgDirectory.createOrg('again', { defaultReplicas: 3 }, 'operator')).id
  const pin = newPin('again')
  await store.pins.acceptPins(org, [pin], false)
  await store.orgDirectory.setOrg(org, { defaultReplicas: 1 }, 'operator')
  const [outcome] = await store.pins.acceptPins(org, [pin], true)
  assert.equal(outcome && 'pin' in outcome && outcome.pin.info.replicas, '3')
})

test('a replace that returns to the content of an earlier pin wants no more copies than its own pin', async () => {
  const org = (await store.orgDirectory.createOrg('back', {}, 'operator')).id
  const [first, second, third] = [
    newPin('back', { replicas: 3 }),
    newPin('other', { replicas: 1 }),
    newPin('back', { replicas: 1 }),
  ]
  await store.pins.acceptPins(org, [first], false)
  await pinned('back')
  await store.pins.replacePin(org, first.id, second, false)
  assert.equal((await contentOf('back')).wanted, 3, 'it is kept as it was until the new pin is pinned')
  await store.pins.replacePin(org, second.id, third, false)
  assert.deepEqual(await contentOf('back'), { wanted: 1, unsettled: true })
})

test('an accept that finds a node for content that had no room shows its other pins as queued again', async () => {
  const org = (await store.orgDirectory.createOrg('room', {}, 'operator')).id
  const [full, other] = nodes
  assert.ok(full !== undefined && other !== undefined)
  const waiting = newPin('room', { replicas: 1, nodes: [full] })
  await store.pins.acceptPins(org, [waiting], false)
  await ends('room', { kind: 'failed', errorCode: 'node_full', error: 'no room' })
  const epoch = await nextEpoch(store)
  const finishFolds = async (): Promise<void> => {
    while ((await store.sweep.finishFolds(epoch, 100)).rows > 0);
  }
  await finishFolds()
  assert.equal((await store.pins.getPin(org, waiting.id)).status, 'failed')
  await store.pins.acceptPins(org, [newPin('room', { replicas: 1, nodes: [other] })], false)
  await finishFolds()
  assert.equal((await store.pins.getPin(org, waiting.id)).status, 'queued')
})

test('an accept marks content with a leaving copy for repair, also when the mark was removed while no pin wanted it', async () => {
  const org = (await store.orgDirectory.createOrg('leaving', {}, 'operator')).id
  const [foreign, other] = nodes
  assert.ok(foreign !== undefined && other !== undefined)
  const first = newPin('leaving', { replicas: 1, nodes: [foreign] })
  await store.pins.acceptPins(org, [first], false)
  await ends('leaving', { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: true })
  await store.pins.removePin(org, first.id, actor)
  const unwanted = (await store.repair.unsettled('', 100)).filter(({ cid }) => cid === 'leaving')
  assert.deepEqual(
    unwanted.map(({ wanted, copies }) => [wanted, copies.map(({ leaving }) => leaving)]),
    [[0, [true]]],
  )
  await store.repair.apply(await nextEpoch(store), unwanted.map(leaveAsSeen))
  assert.equal((await contentOf('leaving')).unsettled, false)
  await store.pins.acceptPins(org, [newPin('leaving', { replicas: 1, nodes: [other] })], false)
  assert.deepEqual(await contentOf('leaving'), { wanted: 1, unsettled: true })
})

/** Every node pins the content that it has a placement of. */
function pinned(cid: string): Promise<void> {
  return ends(cid, { kind: 'pinned', blocks: 1, bytes: 1, foreignPin: false })
}

/** Every attempt at the content ends like this. */
async function ends(cid: string, outcome: Outcome): Promise<void> {
  for (const nodeId of nodes) {
    const node = { nodeId, incarnation: 1 }
    const due = (await store.placements.due(node, 100, 100)).filter((job) => job.cid === cid)
    const claims = await store.placements.claim(node, due, 30_000)
    await store.placements.finish(
      node,
      claims.map(({ generation }) => ({ cid, generation, outcome })),
    )
  }
}

function newPin(cid: string, more: Partial<NewPin> = {}): NewPin {
  return { id: mintId('pin'), cid, cidText: cid, replicas: null, actor, nodes, ...more }
}

/** The number of replicas in `info`, and how many placements there are. */
async function accepted(
  cid: string,
  { org, replicas = null }: { org: Parameters<Store['pins']['acceptPins']>[0]; replicas?: number | null },
): Promise<[string | undefined, number]> {
  const [outcome] = await store.pins.acceptPins(org, [newPin(cid, { replicas })], false)
  assert.ok(outcome && 'pin' in outcome)
  const pin: Pin = await store.pins.getPin(org, outcome.pin.id)
  assert.equal(pin.info.replicas, outcome.pin.info.replicas)
  assert.equal(pin.delegates.length, outcome.pin.delegates.length)
  return [pin.info.replicas, await placementsOf(cid)]
}

async function placementsOf(cid: string): Promise<number> {
  const { rows } = await system.query('select count(*)::int as n from placements where cid = $1', [cid])
  return Number(rows[0]?.n)
}

async function contentOf(cid: string): Promise<{ wanted: number; unsettled: boolean }> {
  const { rows } = await system.query('select wanted, unsettled from contents where cid = $1', [cid])
  return rows[0]
}
