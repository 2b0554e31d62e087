import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import type { Epoch } from '../core/epoch.ts'
import { mintId, uuidOf, type NodeId, type OrgId } from '../core/ids.ts'
import type { Away, Inability, NodeIdentity } from '../core/node.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'

const actor = mintId('tok')
const { store, system } = await testStore()
const sign = { usedBytes: 1, capacityBytes: 2 }
const away: Inability = { what: 'kubo', forMs: 60_000, reason: 'away' }
const silent: Away = { what: 'silent', forMs: 20_000, reason: 'it is silent' }
let org: OrgId
let epoch: Epoch
let a: NodeIdentity
let b: NodeIdentity
let round = 0

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  epoch = await nextEpoch(store)
})
beforeEach(async () => {
  round++
  a = await store.nodes.boot(`a-${round}`)
  b = await store.nodes.boot(`b-${round}`)
})

test('a node has been unable since its older incarnation could not work, until a sign says that it can', async () => {
  await store.nodes.see(a, { ...sign, unable: away })
  a = await store.nodes.boot(`a-${round}`)
  await store.nodes.see(a, { ...sign, unable: { ...away, forMs: 0, reason: 'not yet' } })
  const unable = (await nodeOf(a)).unable
  assert.equal(unable?.reason, 'not yet')
  assert.ok(unable.forMs >= 60_000, `${unable.forMs}`)
  await store.nodes.see(a, sign)
  assert.equal((await nodeOf(a)).unable, null)
})

test('the start of a process is no sign of life: only its first sign says whether the node can work', async () => {
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [
    uuidOf(a.nodeId),
  ])
  a = await store.nodes.boot(`a-${round}`)
  assert.equal((await nodeOf(a)).live, false)
  await store.nodes.see(a, { ...sign, unable: away })
  const { live, unable } = await nodeOf(a)
  assert.deepEqual([live, unable?.what], [true, 'kubo'])
})

test('an accept puts nothing on a node that is unable, silent or down, whatever the node that accepts knows', async () => {
  const cases: [string, () => Promise<unknown>][] = [
    ['unable', () => store.nodes.see(a, { ...sign, unable: away })],
    ['silent', () => store.repair.noteAway(epoch, a.nodeId, silent)],
    ['down', () => store.repair.noteDown(epoch, a.nodeId, true)],
  ]
  for (const [name, becomes] of cases) {
    await store.nodes.see(a, sign)
    await store.repair.noteDown(epoch, a.nodeId, false)
    await becomes()
    await accept(name, [a.nodeId, b.nodeId])
    assert.deepEqual(await copiesOf(name), [b.nodeId], name)
    assert.equal(await isUnsettled(name), false, name)
  }
})

test('an accept that finds no node that works uses those that do not, and marks the content for repair', async () => {
  await store.nodes.see(a, { ...sign, unable: away })
  await accept('stranded', [a.nodeId])
  assert.deepEqual(await copiesOf('stranded'), [a.nodeId])
  assert.equal(await isUnsettled('stranded'), true)
})

test('an accept of content that waits on a node which does not work marks it for repair', async () => {
  await accept('waits', [a.nodeId])
  assert.equal(await isUnsettled('waits'), false)
  await store.repair.noteAway(epoch, a.nodeId, silent)
  await accept('waits', [b.nodeId])
  assert.equal(await isUnsettled('waits'), true)
})

test('an accept names a node that was forgotten a moment ago: nothing is put there', async () => {
  await accept('forgotten', [mintId('nod'), b.nodeId])
  assert.deepEqual(await copiesOf('forgotten'), [b.nodeId])
})

test('a walk over a node that stops to work begins once; a silent node that is heard again works', async () => {
  await store.repair.noteAway(epoch, a.nodeId, silent)
  assert.equal(await walkOf(a), '')
  await store.repair.advanceWalk(epoch, a.nodeId, 'm')
  await store.repair.noteAway(epoch, a.nodeId, silent)
  assert.equal(await walkOf(a), 'm', 'a new leader continues it')
  assert.equal((await nodeOf(a)).unable, null, 'silence is no inability')
  await store.repair.noteHeard(epoch, a.nodeId)
  await accept('heard', [a.nodeId])
  assert.equal(await isUnsettled('heard'), false, 'a node of an older version was heard')
  await store.repair.noteDown(epoch, b.nodeId, true)
  await store.repair.advanceWalk(epoch, b.nodeId, null)
  await store.repair.noteAway(epoch, b.nodeId, silent)
  assert.equal(await walkOf(b), null, 'the walk over a node that is down is over')
})

test('the work that waits on a node is read page by page, each content once, without work that was put by', async () => {
  const names = Array.from({ length: 25 }, (_, i) => `w${String(i).padStart(2, '0')}`)
  for (const name of names) await accept(name, [a.nodeId])
  await system.query(`update placements set retrying = true where cid = any ($1)`, [names.slice(5, 15)])
  await system.query(`update placements set next_attempt_at = 'infinity' where cid = 'w24'`)
  // many rows of one accept are due at the same moment
  await system.query(`update placements set next_attempt_at = '2026-01-01' where cid = any ($1)`, [
    names.slice(0, 20),
  ])
  const read: string[] = []
  let place: string | null = ''
  for (let pages = 0; place !== null && pages < 20; pages++) {
    const { contents, after } = await store.repair.waitingOn(a.nodeId, place, 4)
    read.push(...contents.map(({ cid }) => cid))
    place = after
  }
  assert.deepEqual(read.toSorted(), names.slice(0, 24))
})

test('a leader that still thinks that the Kubo of a node is gone does not keep pins away from it', async () => {
  await store.nodes.see(a, { ...sign, unable: away })
  await store.nodes.see(a, sign)
  await store.repair.noteAway(epoch, a.nodeId, away)
  await accept('late', [a.nodeId])
  assert.equal(await isUnsettled('late'), false)
  await store.repair.noteAway(epoch, a.nodeId, { ...away, what: 'postgres' })
  await store.repair.noteHeard(epoch, a.nodeId)
  await accept('later', [a.nodeId])
  assert.equal(await isUnsettled('later'), false)
})

async function accept(cid: string, nodes: NodeId[]): Promise<void> {
  const [accepted] = await store.pins.acceptPins(
    org,
    [{ id: mintId('pin'), actor, cid, cidText: cid, replicas: 1, nodes }],
    false,
  )
  assert.ok(accepted && 'pin' in accepted)
}

async function nodeOf({ nodeId }: NodeIdentity) {
  const found = (await store.nodes.list()).find(({ id }) => id === nodeId)
  assert.ok(found)
  return found
}

async function copiesOf(cid: string): Promise<string[]> {
  const { rows } = await system.query<{ node_id: string }>('select node_id from placements where cid = $1', [
    cid,
  ])
  const names = new Map([a, b].map(({ nodeId }) => [uuidOf(nodeId), nodeId]))
  return rows.map(({ node_id }) => names.get(node_id) ?? node_id)
}

async function isUnsettled(cid: string): Promise<boolean | undefined> {
  const { rows } = await system.query<{ unsettled: boolean }>(
    'select unsettled from contents where cid = $1',
    [cid],
  )
  return rows[0]?.unsettled
}

async function walkOf({ nodeId }: NodeIdentity): Promise<string | null | undefined> {
  const { rows } = await system.query<{ walk_after: string | null }>(
    'select walk_after from nodes where id = $1',
    [uuidOf(nodeId)],
  )
  return rows[0]?.walk_after
}
