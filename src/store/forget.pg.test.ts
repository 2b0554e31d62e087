import assert from 'node:assert/strict'
import type { Epoch } from '../core/epoch.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { before, beforeEach, test } from 'node:test'
import { fakeReport } from '../../testing/fakes/node.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { isCode } from '../core/errors.ts'
import { forgetUseCases } from '../core/forget-node.ts'
import { mintId, uuidOf, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Outcome } from '../core/placement.ts'
import { leaveAsSeen } from '../core/plan-repair.ts'
import type { Repair } from '../core/repair.ts'

const actor = mintId('tok')
const { store, system } = await testStore()
const use = forgetUseCases({
  store: store.operator,
  find: (given) => store.operator.node(given),
  announce: async () => {},
})
let org: OrgId
let other: OrgId
let epoch: Epoch
let gone: NodeIdentity
let left: NodeIdentity
let round = 0

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  other = (await store.orgDirectory.createOrg('theirs', {}, 'operator')).id
  epoch = await nextEpoch(store)
})
beforeEach(async () => {
  round++
  await system.query('update nodes set state = $1', ['drained'])
  gone = await store.nodes.boot(`gone-${round}`)
  left = await store.nodes.boot(`left-${round}`)
})

test('a node is forgotten once it is gone and every content of it is pinned elsewhere', async () => {
  const id = await pinned('remembered', gone)
  await accept('never-tried', gone)
  await assert.rejects(use.forget(gone.nodeId, 'op'), (e) => isCode(e, 'conflict') && /alive/.test(e.message))
  await silence(gone)
  await assert.rejects(
    use.forget(gone.nodeId, 'op'),
    (e) => isCode(e, 'conflict') && /1 of the contents/.test(e.message),
  )
  assert.equal((await store.operator.node(gone.nodeId)).state, 'active', 'a refusal changes nothing')
  await copyTo(left, 'remembered')
  await use.forget(gone.nodeId, 'op')
  await assert.rejects(use.forget(gone.nodeId, 'op'), (e) => isCode(e, 'not_found'))
  assert.deepEqual(await copies('remembered'), ['left pinned'])
  assert.deepEqual(await copies('never-tried'), [])
  assert.equal((await store.pins.getPin(org, id)).status, 'pinned')
  assert.equal((await store.pins.getPin(org, id)).info.error_code, undefined)
  assert.ok(await isUnsettled('never-tried'))
  assert.equal(await store.nodes.see(gone, { usedBytes: null, capacityBytes: null }), false)
})

test('a node that only other nodes hear is alive: its heartbeats keep it from being forgotten', async () => {
  await silence(gone)
  const heard = { [gone.nodeId]: 700 }
  await store.nodes.see(left, { usedBytes: null, capacityBytes: null, report: fakeReport({ heard }) })
  await assert.rejects(
    use.lossOf(gone.nodeId),
    (e) => isCode(e, 'conflict') && /left-\d+ heard its/.test(e.message),
  )
  await store.nodes.see(left, { usedBytes: null, capacityBytes: null, report: fakeReport() })
  await use.forget(gone.nodeId, 'op')
})

test('with accept-loss the only copies are queued again as lost, the others are repaired, and the audit has one entry with the counts', async () => {
  const ours = await pinned('lost', gone)
  const theirs = await accept('lost', gone, other)
  const failed = await accept('lost-and-failed', gone, org, 2)
  await work(gone, 'lost-and-failed')
  await work(left, 'lost-and-failed', { kind: 'failed', errorCode: 'not_found_in_time', error: 'too late' })
  await pinned('lost-and-unpinning', gone)
  await copyTo(left, 'lost-and-unpinning')
  await system.query(
    `update placements set state = 'unpinning' where cid = 'lost-and-unpinning' and node_id = $1`,
    [uuidOf(left.nodeId)],
  )
  await pinned('copied', gone)
  await copyTo(left, 'copied')
  const removed = await pinned('unpinned', gone)
  await store.pins.removePin(org, removed, actor)
  await store.sweep.releaseDue(epoch, 100)
  assert.deepEqual(await copies('unpinned'), ['gone unpinning'])
  await silence(gone)

  const loss = { contents: 3, pins: 4, orgs: 2, bytes: 30 }
  assert.deepEqual(await use.lossOf(gone.nodeId), loss)
  const pages = []
  for await (const page of use.lostContents(gone.nodeId)) pages.push(...page)
  assert.deepEqual(pages, [
    { cid: 'lost', bytes: 10, pins: 2, orgs: 2 },
    { cid: 'lost-and-failed', bytes: 10, pins: 1, orgs: 1 },
    { cid: 'lost-and-unpinning', bytes: 10, pins: 1, orgs: 1 },
  ])
  await use.forget(gone.nodeId, 'op', { acceptLoss: true })

  for (const [of, id] of [
    [org, ours],
    [other, theirs],
  ] as const) {
    const { status, info } = await store.pins.getPin(of, id)
    assert.deepEqual([status, info.error_code], ['queued', 'lost'])
    assert.match(info.status_details ?? '', /^the only copy was on a node that is gone; it is fetched again/)
  }
  assert.equal(
    (await store.pins.getPin(org, failed)).status,
    'queued',
    'the copy that had failed is tried again',
  )
  assert.deepEqual(await copies('lost-and-failed'), ['left queued'])
  assert.deepEqual(await copies('lost-and-unpinning'), ['left queued'], 'its Kubo may still have it')
  assert.deepEqual(await copies('copied'), ['left pinned'])
  assert.ok((await isUnsettled('copied')) && (await isUnsettled('lost')))
  const { rowCount } = await system.query(`select from contents where cid = 'unpinned'`)
  assert.equal(rowCount, 0)
  const entries = (await store.operator.audit({ limit: 100 })).filter(({ target }) => target === gone.nodeId)
  assert.deepEqual(
    entries.map(({ action, details }) => [action, details]),
    [['node.forget', { name: `gone-${round}`, placements: 5, lost: loss }]],
  )

  await copyTo(left, 'lost')
  const back = await store.pins.getPin(org, ours)
  assert.deepEqual([back.status, back.info.error_code], ['pinned', undefined])
})

test('a command that breaks off after any step can be repeated, and the audit still has one entry with the first counts', async () => {
  await pinned('broken-off', gone)
  await silence(gone)
  const cut = () => {
    throw new Error('the command is killed')
  }
  // the loss is found only after the node was closed: a pin came in between
  const unaware = { acceptLoss: false, counted: { placements: 1 }, onRemoved: cut }
  await assert.rejects(store.operator.forget(gone.nodeId, 'op', unaware), /pinned nowhere else/)
  assert.deepEqual(await copies('broken-off'), ['gone pinned'])
  await assert.rejects(use.forget(gone.nodeId, 'op', { acceptLoss: true, onRemoved: cut }), /is killed/)
  assert.deepEqual(await copies('broken-off'), [])
  assert.equal((await store.operator.node(gone.nodeId)).state, 'drained')
  await use.forget(gone.nodeId, 'op')
  const [entry] = await store.operator.audit({ limit: 1 })
  const lost = { contents: 1, pins: 1, orgs: 1, bytes: 10 }
  assert.deepEqual(entry?.details, { name: `gone-${round}`, placements: 1, lost })
})

test('a node that comes back while it is being forgotten keeps its row, and an operator may put it into service again', async () => {
  await pinned('returning', gone)
  await silence(gone)
  const back = async () =>
    await system.query('update nodes set last_seen = now() where id = $1', [uuidOf(gone.nodeId)])
  const order = { acceptLoss: true, counted: { placements: 1 }, onRemoved: () => {} }
  await back()
  await assert.rejects(
    store.operator.forget(gone.nodeId, 'op', order),
    (e) => isCode(e, 'conflict') && /alive/.test(e.message),
  )
  assert.equal((await store.operator.node(gone.nodeId)).state, 'active', 'a node that is alive is not closed')
  await silence(gone)
  await system.query(`update nodes set state = 'drained', forgetting = '{"placements": 9}' where id = $1`, [
    uuidOf(gone.nodeId),
  ])
  await store.operator.uncordon(gone.nodeId, 'op')
  const step = 'select empty_node($1, 15000, true, $2, 10)'
  await assert.rejects(system.query(step, [uuidOf(gone.nodeId), '']), { code: 'AN004' })
  assert.deepEqual(await copies('returning'), ['gone pinned'])
  const { rows } = await system.query('select forgetting from nodes where id = $1', [uuidOf(gone.nodeId)])
  assert.deepEqual(rows, [{ forgetting: null }])
})

test("a machine that comes back after it was forgotten keeps its Kubo's pin of lost content until another node has it", async () => {
  const id = await pinned('kept', gone)
  await silence(gone)
  await use.forget(gone.nodeId, 'op', { acceptLoss: true })
  const again = await store.nodes.boot(`gone-${round}`)
  assert.notEqual(again.nodeId, gone.nodeId)
  assert.deepEqual(
    await store.reconcile.dropUnwanted(gone, ['stray']),
    [],
    'no placement on a node that is gone',
  )
  assert.deepEqual(await store.reconcile.dropUnwanted(again, ['kept']), [])
  await copyTo(left, 'kept')
  assert.equal((await store.reconcile.dropUnwanted(again, ['kept'])).length, 1)
  assert.equal((await store.pins.getPin(org, id)).status, 'pinned')
})

test('lost content is no longer lost when another node with a copy of it comes back', async () => {
  const id = await accept('found', gone, org, 2)
  await work(gone, 'found')
  await work(left, 'found')
  await repair('found', { lose: [left.nodeId] })
  await silence(gone)
  await use.forget(gone.nodeId, 'op', { acceptLoss: true })
  assert.equal((await store.pins.getPin(org, id)).info.error_code, 'lost')
  await repair('found', { find: [left.nodeId] })
  const { rows } = await system.query(`select lost_at from contents where cid = 'found'`)
  assert.deepEqual(rows, [{ lost_at: null }])
})

async function accept(cid: string, node: NodeIdentity, of: OrgId = org, replicas = 1): Promise<PinId> {
  const pin = { id: mintId('pin'), cid, cidText: cid, replicas, actor, nodes: [node.nodeId, left.nodeId] }
  const [accepted] = await store.pins.acceptPins(of, [pin], false)
  assert.ok(accepted && 'pin' in accepted)
  return accepted.pin.id
}

async function pinned(cid: string, node: NodeIdentity): Promise<PinId> {
  const id = await accept(cid, node)
  await work(node, cid)
  return id
}

/** Makes a copy on `node`, as repair does. */
async function copyTo(node: NodeIdentity, cid: string): Promise<void> {
  await repair(cid, { add: [{ nodeId: node.nodeId, reason: 'repair' }] })
  await work(node, cid)
}

async function work(
  node: NodeIdentity,
  cid: string,
  outcome: Outcome = { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false },
): Promise<void> {
  const due = (await store.placements.due(node, 1_000, 1_000)).filter((job) => job.cid === cid)
  const [claim] = await store.placements.claim(node, due, 30_000)
  assert.ok(claim, `nothing to claim of ${cid}`)
  await store.placements.finish(node, [{ cid, generation: claim.generation, outcome }])
}

async function repair(cid: string, more: Partial<Repair>): Promise<void> {
  await system.query('update contents set unsettled = true where cid = $1', [cid])
  const seen = (await store.repair.unsettled('', 1_000)).find((content) => content.cid === cid)
  assert.ok(seen, `there is no content ${cid}`)
  const { stale } = await store.repair.apply(epoch, [{ ...leaveAsSeen(seen), ...more }])
  assert.equal(stale, 0)
}

/** The placements of the content: `gone` or `left`, and the state. */
async function copies(cid: string): Promise<string[]> {
  const { rows } = await system.query<{ copy: string }>(
    `select split_part(n.name, '-', 1) || ' ' || p.state as copy from placements p left join nodes n on n.id = p.node_id
     where p.cid = $1 order by 1`,
    [cid],
  )
  return rows.map(({ copy }) => copy)
}

async function isUnsettled(cid: string): Promise<boolean> {
  return (await store.repair.unsettled('', 1_000)).some((content) => content.cid === cid)
}

async function silence({ nodeId }: NodeIdentity): Promise<void> {
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [uuidOf(nodeId)])
}
