import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import { testStore } from '../../testing/database/test-store.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'

const { store, system } = await testStore()
const pinnedNow = { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: true } as const
let org: OrgId
let lost: NodeIdentity
let other: NodeIdentity
let round = 0

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
})
beforeEach(async () => {
  round++
  await system.query(`update nodes set state = 'drained'`)
  lost = await store.nodes.boot(`lost-${round}`)
  other = await store.nodes.boot(`other-${round}`)
  await store.nodes.bindKubo(lost, { peerId: 'old', multiaddrs: ['/ip4/127.0.0.1/tcp/1/p2p/old'] })
})

test('a machine that takes over a name keeps the node and its placements, and nothing counts as pinned before its own Kubo has it', async () => {
  const [sole, shared, waiting] = await Promise.all([
    accept('sole', 1, [lost]),
    accept('shared', 2, [lost, other]),
    accept('waiting', 1, [lost]),
  ])
  await work(lost, 'sole')
  await work(lost, 'shared')
  await work(other, 'shared')
  await silence()
  await store.nodes.adopt(lost.nodeId, 'new', 'op')
  const status = async (id: PinId) => (await store.pins.getPin(org, id)).status
  assert.deepEqual(await Promise.all([sole, shared, waiting].map(status)), ['queued', 'pinned', 'queued'])
  assert.equal(await store.nodes.peerIdOf(`lost-${round}`), 'new')
  assert.deepEqual((await store.operator.node(`lost-${round}`)).multiaddrs, [])
  assert.deepEqual(
    (await store.operator.audit({ limit: 1 })).map(({ action, target, details }) => [
      action,
      target,
      details,
    ]),
    [['node.adopt', lost.nodeId, { name: `lost-${round}`, from: 'old', to: 'new' }]],
  )

  const again = await store.nodes.boot(`lost-${round}`)
  assert.equal(again.nodeId, lost.nodeId)
  await store.nodes.bindKubo(again, { peerId: 'new', multiaddrs: [] })
  await assert.rejects(store.nodes.bindKubo(again, { peerId: 'old', multiaddrs: [] }), (e) =>
    isCode(e, 'conflict'),
  )
  assert.deepEqual((await store.repair.moving()).copies, 0, 'what it fetches again holds up no repair')
  const due = await store.placements.due(again, 100, 100)
  assert.deepEqual(due.map(({ cid }) => cid).toSorted(), ['shared', 'sole', 'waiting'])
  const claims = await store.placements.claim(again, due, 30_000)
  assert.deepEqual(
    claims
      .toSorted((x, y) => (x.cid < y.cid ? -1 : 1))
      .map(({ cid, verify, foreignPin }) => [cid, verify, foreignPin]),
    [
      ['shared', true, false],
      ['sole', true, false],
      ['waiting', false, false],
    ],
  )
})

test('a node that is alive is not taken over, and one whose takeover broke off can be taken over again', async () => {
  const id = await accept('contested', 1, [lost])
  await work(lost, 'contested')
  await assert.rejects(
    store.nodes.adopt(lost.nodeId, 'new', 'op'),
    (e) => isCode(e, 'conflict') && /alive/.test(e.message),
  )
  assert.equal((await store.pins.getPin(org, id)).status, 'pinned')
  await silence()
  await system.query('select requeue_pinned($1, 15000, $2, 500)', [uuidOf(lost.nodeId), ''])
  assert.equal(await store.nodes.peerIdOf(`lost-${round}`), 'old', 'the binding changes last')
  await store.nodes.adopt(lost.nodeId, 'new', 'op')
  assert.equal(await store.nodes.peerIdOf(`lost-${round}`), 'new')
  await assert.rejects(store.nodes.peerIdOf('stranger'), (e) => isCode(e, 'not_found'))
})

async function accept(cid: string, replicas: number, nodes: NodeIdentity[]): Promise<PinId> {
  const at = nodes.map(({ nodeId }) => nodeId)
  const pin = { id: mintId('pin'), cid, cidText: cid, replicas, actor: mintId('tok'), nodes: at }
  const [accepted] = await store.pins.acceptPins(org, [pin], false)
  assert.ok(accepted && 'pin' in accepted)
  return accepted.pin.id
}

async function work(node: NodeIdentity, cid: string): Promise<void> {
  const due = (await store.placements.due(node, 100, 100)).filter((job) => job.cid === cid)
  const [claim] = await store.placements.claim(node, due, 30_000)
  assert.ok(claim)
  await store.placements.finish(node, [{ cid, generation: claim.generation, outcome: pinnedNow }])
}

async function silence(): Promise<void> {
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [
    uuidOf(lost.nodeId),
  ])
}
