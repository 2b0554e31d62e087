import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Epoch } from '../core/epoch.ts'
import { mintId, uuidOf, type OrgId, type PinId } from '../core/ids.ts'
import type { NewPin } from '../core/pin.ts'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { settlePlacements } from '../../testing/database/settle-placements.ts'
import { testStore } from '../../testing/database/test-store.ts'
import type { NodeIdentity } from '../core/node.ts'

const actor = mintId('tok')
const { database, store, system } = await testStore()
let epoch: Epoch
let org: OrgId
const nodes: NodeIdentity[] = []

before(async () => {
  epoch = await nextEpoch(store)
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  nodes.push(await store.nodes.boot('node-1'))
})

const settle = async () => {
  for (const node of nodes) await settlePlacements(store, node, epoch)
}

function newPin(cid: string, replicas: number): NewPin {
  return { id: mintId('pin'), cid, cidText: cid, replicas, actor, nodes: nodes.map((node) => node.nodeId) }
}

async function accept(pin: NewPin): Promise<PinId> {
  const [accepted] = await store.pins.acceptPins(org, [pin], false)
  assert.ok(accepted && 'pin' in accepted)
  return accepted.pin.id
}

async function shown(id: PinId): Promise<[status: string, details: string | undefined]> {
  const { status, info } = await store.pins.getPin(org, id)
  return [status, info['status_details']]
}

test('a pin that wants more copies than there are nodes is pinned once each node has one, and says how many are missing', async () => {
  const id = await accept(newPin('wide', 100))
  assert.equal((await shown(id))[0], 'queued')
  await settle()
  const pinned = ['pinned', 'pinned on 1 of 100 nodes; 99 copies wait for a node that has room']
  assert.deepEqual(await shown(id), pinned)
  assert.deepEqual((await shown(await accept(newPin('wide', 100))))[0], 'pinned', 'the next one at once')
  await assertAgreement(database.systemUrl)
})

test('however often a pin is replaced, it holds at most one other content, and all others are unpinned', async () => {
  const stood = await accept(newPin('stood', 100))
  await settle()
  let last = stood
  for (let n = 0; n < 50; n++) {
    const next = newPin(`replaced-${n}`, 100)
    await store.pins.replacePin(org, last, next, false)
    last = next.id
    const { rows } = await system.query('select holds from pins where id = $1', [uuidOf(last)])
    assert.deepEqual(rows, [{ holds: ['stood'] }], 'content that was never pinned is not kept')
  }
  await settle()
  const { rows } = await system.query(
    `select cid from placements where cid = 'stood' or cid like 'replaced-%' order by cid`,
  )
  assert.deepEqual(rows, [{ cid: 'replaced-49' }])
  await assertAgreement(database.systemUrl)
  await store.pins.removePin(org, last, actor)
})

test('a replace keeps the old pinned content until the new pin is pinned', async () => {
  const old = await accept(newPin('old', 1))
  await settle()
  const next = newPin('new', 1)
  await store.pins.replacePin(org, old, next, false)
  const cids = async () =>
    (await system.query(`select cid from placements where cid in ('old', 'new') order by cid`)).rows.map(
      ({ cid }) => cid,
    )
  assert.deepEqual(await cids(), ['new', 'old'])
  await settle()
  assert.deepEqual(await cids(), ['new'])
})

test('a node that joins changes no pin that is pinned, but raises the number of copies that a waiting pin needs', async () => {
  const id = await accept(newPin('grows', 2))
  await settle()
  assert.equal((await shown(id))[0], 'pinned')
  nodes.push(await store.nodes.boot('node-2'))
  const late = await accept(newPin('late', 2))
  await settlePlacements(store, nodes[0] ?? assert.fail(), epoch)
  assert.equal((await shown(id))[0], 'pinned', 'it stays so while the new node gets its copy')
  assert.notEqual((await shown(late))[0], 'pinned', 'there is a second node, which has it not')

  await system.query(`update nodes set down_at = now() where name = 'node-2'`)
  await system.query('update contents set unsettled = true where cid = $1', ['late'])
  await system.query(`update placements set lost = true where node_id = $1`, [
    uuidOf(nodes[1]?.nodeId ?? mintId('nod')),
  ])
  for (let round = 0; round < 3; round++) await store.sweep.finishFolds(epoch, 100)
  assert.equal((await shown(late))[0], 'pinned', 'the second node is gone')
})
