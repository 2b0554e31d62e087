import assert from 'node:assert/strict'
import type { Epoch } from '../core/epoch.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { before, beforeEach, test } from 'node:test'
import { mintId, uuidOf, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Outcome } from '../core/placement.ts'
import { testStore } from '../../testing/database/test-store.ts'

// Claims that end by neither a finish nor a release, and times that were written while the clock of the database was ahead.

const actor = mintId('tok')
const claimMs = 30_000
const longestMs = 600_000
const { store, system } = await testStore({ backoffMaxMs: longestMs })
let org: OrgId
let epoch: Epoch
/** A new node for each test. */
let node: NodeIdentity
let round = 0

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  epoch = await nextEpoch(store)
})
beforeEach(async () => {
  node = await store.nodes.boot(`node-${++round}`)
})

async function pin(cid: string): Promise<PinId> {
  const one = { id: mintId('pin'), actor, cid, cidText: cid, replicas: 1, nodes: [node.nodeId] }
  await store.pins.acceptPins(org, [one], false)
  return one.id
}

async function claim(cid: string): Promise<{ cid: string; generation: number; attempt: number }> {
  const due = (await store.placements.due(node, 100, 100)).filter((job) => job.cid === cid)
  const [claimed] = await store.placements.claim(node, due, claimMs)
  return claimed ?? assert.fail(`${cid} could not be claimed`)
}

const extend = ({ cid, generation }: { cid: string; generation: number }) =>
  store.placements.extend(node, [{ cid, generation, blocks: 7, bytes: 70 }], claimMs)
const finish = ({ cid, generation }: { cid: string; generation: number }, outcome: Outcome) =>
  store.placements.finish(node, [{ cid, generation, outcome }])
const pinned: Outcome = { kind: 'pinned', blocks: 9, bytes: 90, foreignPin: false }

interface Row {
  state: string
  crashes: number
  attempts: number
  blocks: number
  error_code: string | null
  due_in: number
  left: number | null
}

async function row(cid: string): Promise<Row> {
  const { rows } = await system.query<Row>(
    `select state, crashes, attempts, blocks::int, error_code, extract(epoch from next_attempt_at - clock_timestamp())::float8 as due_in,
       extract(epoch from claimed_until - clock_timestamp())::float8 as left from placements where cid = $1`,
    [cid],
  )
  return rows[0] ?? assert.fail(`no placement of ${cid}`)
}

/** Acts as if the claim's time had passed while Postgres was away, and runs the leader's sweep. */
async function expire(cid: string): Promise<void> {
  await system.query(`update placements set claimed_until = now() - interval '1 second' where cid = $1`, [
    cid,
  ])
  await store.sweep.requeueExpiredClaims(epoch, 100)
}

/** The node's process ends and starts again. */
async function restart(): Promise<void> {
  node = await store.nodes.boot(`node-${round}`)
  while ((await store.nodes.voidClaims(node, 100)) > 0);
}

test('a claim that only ran out counts for nothing, however often, and its placement is queued again', async () => {
  const id = await pin('away')
  for (let times = 1; times <= 7; times++) {
    await claim('away')
    await expire('away')
    assert.equal((await row('away')).state, 'queued')
    assert.equal((await store.pins.getPin(org, id)).status, 'queued')
  }
  assert.partialDeepStrictEqual(await row('away'), { crashes: 0, error_code: null })
  assert.equal(await store.sweep.requeueExpiredClaims(epoch, 100).then(({ rows }) => rows), 0)
})

test('the process whose claim ran out goes on with it: its progress, its attempt and its outcome count', async () => {
  const id = await pin('goes-on')
  const claimed = await claim('goes-on')
  await expire('goes-on')
  assert.deepEqual(await extend(claimed), [])
  assert.partialDeepStrictEqual(await row('goes-on'), { state: 'pinning', attempts: 1, blocks: 7 })
  assert.equal((await store.pins.getPin(org, id)).status, 'pinning')
  await expire('goes-on')
  await finish(claimed, pinned)
  assert.partialDeepStrictEqual(await row('goes-on'), { state: 'pinned', attempts: 1, blocks: 9 })
  assert.equal((await store.pins.getPin(org, id)).status, 'pinned')
})

test('a claim that ran out and is handed back does not count as an attempt', async () => {
  await pin('back')
  const claimed = await claim('back')
  await expire('back')
  await finish(claimed, { kind: 'released' })
  assert.partialDeepStrictEqual(await row('back'), { state: 'queued', attempts: 0 })
  assert.equal((await claim('back')).attempt, 1)
})

test('an outcome that was written stays: an extension that comes later does not take the placement up again', async () => {
  await pin('over')
  const claimed = await claim('over')
  await expire('over')
  await finish(claimed, { kind: 'retry', errorCode: 'stalled', error: 'no block', delayMs: 60_000 })
  assert.deepEqual(await extend(claimed), ['over'])
  assert.partialDeepStrictEqual(await row('over'), { state: 'queued', left: null })
})

test('content that ends the process each time fails after five times, even if the node starts more slowly than claims run out', async () => {
  const id = await pin('deadly')
  for (let crash = 1; crash <= 5; crash++) {
    await claim('deadly')
    await expire('deadly')
    assert.partialDeepStrictEqual(await row('deadly'), { state: 'queued', crashes: crash - 1 })
    await restart()
    assert.equal((await row('deadly')).crashes, crash)
  }
  const { status, info } = await store.pins.getPin(org, id)
  assert.deepEqual([status, info.error_code], ['failed', 'crashed'])
})

test('the leader counts a crash that the starting node did not note, once', async () => {
  for (const [cid, ranOut] of [
    ['noted-late', false],
    ['noted-late-too', true],
  ] as const) {
    await pin(cid)
    await claim(cid)
    if (ranOut) await expire(cid)
  }
  node = await store.nodes.boot(`node-${round}`)
  await store.sweep.requeueExpiredClaims(epoch, 100)
  await store.sweep.requeueExpiredClaims(epoch, 100)
  for (const cid of ['noted-late', 'noted-late-too'])
    assert.partialDeepStrictEqual(await row(cid), { state: 'queued', crashes: 1 })
  assert.equal(await store.nodes.voidClaims(node, 100), 0)
})

test('a claim of the process that runs now is untouched while another placement of the content is queued again', async () => {
  const other = node
  node = await store.nodes.boot(`second-${round}`)
  const two = { id: mintId('pin'), actor, cid: 'both', cidText: 'both', replicas: 2 }
  await store.pins.acceptPins(org, [{ ...two, nodes: [node.nodeId, other.nodeId] }], false)
  const mine = await claim('both')
  const theirs = await store.placements.claim(other, await store.placements.due(other, 10, 10), claimMs)
  assert.equal(theirs.length, 1)
  await system.query('update placements set claimed_until = now() where cid = $1 and node_id = $2', [
    'both',
    uuidOf(other.nodeId),
  ])
  await store.sweep.requeueExpiredClaims(epoch, 100)
  assert.deepEqual(await extend(mine), [])
  const { rows } = await system.query(`select state from placements where cid = 'both' order by state`)
  assert.deepEqual(
    rows.map(({ state }) => state),
    ['pinning', 'queued'],
  )
})

test('a retry or an unpin that is due further ahead than the longest backoff is due no later than that; put by stays put by', async () => {
  const later = (cid: string, by: string) =>
    system.query('update placements set next_attempt_at = now() + $2::interval where cid = $1', [cid, by])
  for (const cid of ['retry', 'put-by', 'unpin', 'usual']) {
    const id = await pin(cid)
    await finish(await claim(cid), { kind: 'retry', errorCode: 'stalled', error: '', delayMs: 60_000 })
    if (cid === 'unpin') {
      await store.pins.removePin(org, id, actor)
      await store.sweep.releaseDue(epoch, 100)
    }
  }
  await later('retry', '2 hours')
  await later('unpin', '2 hours')
  await later('put-by', 'infinity')
  const usual = (await row('usual')).due_in
  assert.equal((await store.sweep.boundTimes(epoch, 100)).rows, 2)
  assert.equal((await store.sweep.boundTimes(epoch, 100)).rows, 0)
  for (const cid of ['retry', 'unpin']) {
    const { due_in } = await row(cid)
    assert.ok(due_in > 0 && due_in <= longestMs / 1_000, `${cid}: ${due_in} s`)
  }
  assert.equal((await row('put-by')).due_in, Infinity)
  assert.ok((await row('usual')).due_in <= usual)
})

test('a first attempt is due at once, also if the clock was ahead when it was asked for', async () => {
  const id = await pin('ahead')
  await system.query(
    `update placements set next_attempt_at = now() + interval '1 hour', wanted_since = now() + interval '1 hour' where cid = 'ahead'`,
  )
  const claimed = await claim('ahead')
  await finish(claimed, { kind: 'failed', errorCode: 'bad_content', error: 'no such codec' })
  assert.equal((await store.pins.getPin(org, id)).status, 'failed', 'it was not asked for again since')
})

test('a claim that would last for more than a minute was made while the clock was ahead, and is over', async () => {
  await pin('long')
  const claimed = await claim('long')
  await system.query(`update placements set claimed_until = now() + interval '1 hour' where cid = 'long'`)
  assert.equal((await store.sweep.requeueExpiredClaims(epoch, 100)).rows, 1)
  assert.deepEqual(await extend(claimed), [], 'the process that works on it goes on')
  assert.ok(((await row('long')).left ?? Infinity) <= claimMs / 1_000)
  assert.equal((await store.sweep.requeueExpiredClaims(epoch, 100)).rows, 0)
})

test('a sign of life that lies ahead shows no life, and grows old from the next sweep on', async () => {
  const seen = async () => (await store.nodes.list()).find(({ id }) => id === node.nodeId) ?? assert.fail()
  const ahead = (by: string) =>
    system.query('update nodes set last_seen = now() + $2::interval where id = $1', [uuidOf(node.nodeId), by])
  await ahead('1 hour')
  assert.partialDeepStrictEqual(await seen(), { live: false, silentMs: 0 })
  assert.equal((await store.sweep.boundTimes(epoch, 100)).rows, 1)
  assert.equal((await store.sweep.boundTimes(epoch, 100)).rows, 0)
  const { live, silentMs } = await seen()
  assert.ok(live && silentMs < 15_000)
  await ahead('2 seconds')
  assert.partialDeepStrictEqual(await seen(), { live: true, silentMs: 0 })
})
