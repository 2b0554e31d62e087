import assert from 'node:assert/strict'
import type { Epoch } from '../core/epoch.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { before, test } from 'node:test'
import pg from 'pg'
import { mintId, uuidOf, type OrgId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Outcome } from '../core/placement.ts'
import type { Recount } from '../core/recount.ts'
import { recount } from './recount.ts'
import { assertAgreement } from '../../testing/database/agreement.ts'
import { testStore } from '../../testing/database/test-store.ts'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'

const actor = mintId('tok')
const pinned: Outcome = { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false }
const { database, store, system } = await testStore()
let org: OrgId
let nodes: NodeIdentity[]
let epoch: Epoch

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', { limits: { maxBytes: 1_000 } }, 'operator')).id
  nodes = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => store.nodes.boot(name)))
  epoch = await nextEpoch(store)
})

test('a plan that moves two copies of a content at once changes the counts of its pins once', async () => {
  const [a, b, c, d, e] = nodes
  assert.ok(a && b && c && d && e)
  await accept('both', 3, [a, b, c])
  await finish(a, 'both', pinned)
  await finish(b, 'both', pinned)
  // the claim has not been shown yet, so the fold of the moves changes the pin's status
  await claim(c, 'both')
  assert.equal(await usageOf('queued'), 1)
  const move = { cid: 'both', bytes: 10, reason: 'test' }
  const moves = [
    { ...move, from: a.nodeId, to: d.nodeId },
    { ...move, from: b.nodeId, to: e.nodeId },
  ]
  async function* pages() {
    yield moves
  }
  const plan = await store.plans.savePlan({ id: mintId('pln'), actor: 'op', summary: {} }, pages())
  await store.plans.setPlanState(plan.id, 'applying', 'op')
  assert.equal((await store.plans.startMoves(epoch, plan.id, 10, 1_000)).started, 2)
  assert.deepEqual([await usageOf('queued'), await usageOf('pinning')], [0, 1])
  await assertAgreement(database.systemUrl)
})

test('a function that is given a CID twice counts it once', async () => {
  const [a] = nodes
  assert.ok(a)
  const { id } = await accept('twice', 1, [a])
  const generation = await claim(a, 'twice')
  await onContent('twice', `select fold_contents('{twice,twice}')`)
  await assertAgreement(database.systemUrl)
  await onContent('twice', `select refuse_arriving('{twice,twice}', '{${uuidOf(org)},${uuidOf(org)}}')`)
  assert.equal((await store.pins.getPin(org, id)).status, 'failed')
  await store.placements.finish(a, [{ cid: 'twice', generation, outcome: { kind: 'released' } }])
  await finish(a, 'twice', { kind: 'unpinned' })
  assert.equal((await store.reconcile.dropUnwanted(a, ['listed-twice', 'listed-twice'])).length, 1)
  await finish(a, 'listed-twice', { kind: 'unpinned' })
  assert.equal((await store.reconcile.requeueMissing(a, ['both', 'both'])).length, 1)
  await assertAgreement(database.systemUrl)
})

test('a recount says which counts are wrong and changes nothing; with a name for the audit it corrects them', async () => {
  const [a] = nodes
  assert.ok(a)
  await accept('counted', 1, [a])
  await finish(a, 'counted', pinned)
  assert.partialDeepStrictEqual(await look(), { wrong: 0, miscounts: [], nodes: 5 })

  await system.query(
    `update pin_counts set n = n + 7 where org_id = $1 and status = 'pinned' and level = 0`,
    [uuidOf(org)],
  )
  await system.query(`delete from pin_counts where org_id = $1 and status = 'pinned' and level = 1`, [
    uuidOf(org),
  ])
  await system.query('update org_usage set bytes = bytes - 3, reserved = reserved + 2')
  await system.query(
    `insert into placement_changes (node_id, state, reason, n, bytes) values ($1, 'failed', 'drain', 4, 0)`,
    [uuidOf(a.nodeId)],
  )
  await system.query('update plans set done = done + 1')
  await system.query(`insert into org_usage (org_id, bytes) values (gen_random_uuid(), 5)`)

  const seen = await look()
  assert.equal(seen.wrong, 7)
  assert.deepEqual(
    new Set(
      seen.miscounts.map(({ name, counter, key, kept, counted }) => [name, counter, key, counted - kept]),
    ),
    new Set([
      ['ours', 'bytes', {}, 3],
      ['ours', 'pins', { level: 0, bucket: 0, status: 'pinned' }, -7],
      ['ours', 'pins', { level: 1, bucket: 0, status: 'pinned' }, 1],
      ['ours', 'reserved bytes', {}, -2],
      [null, 'bytes', {}, -5],
      ['a', 'placements', { state: 'failed', reason: 'drain' }, -4],
      [null, 'done', {}, -1],
    ]),
  )
  assert.deepEqual(await look(), seen)

  assert.deepEqual(await look('op'), seen)
  assert.partialDeepStrictEqual(await look('op'), { wrong: 0, miscounts: [] })
  await assertAgreement(database.systemUrl)
  const lines = (await store.operator.audit({ limit: 100 })).filter(({ action }) =>
    action.endsWith('.recount'),
  )
  assert.deepEqual(
    new Set(lines.map(({ action, actor, details }) => [action, actor, details])),
    new Set([
      ['node.recount', 'op', { corrected: 1, counters: ['placements'] }],
      ['org.recount', 'op', { corrected: 1, counters: ['bytes'] }],
      ['org.recount', 'op', { corrected: 4, counters: ['bytes', 'pins', 'reserved bytes'] }],
      ['plan.recount', 'op', { corrected: 1, counters: ['done'] }],
    ]),
  )
})

test('a correction is exact although a writer that had begun before commits after the rows were counted', async () => {
  const [a] = nodes
  assert.ok(a)
  const { id } = await accept('racing', 1, [a])
  await system.query(`update pin_counts set n = n + 3 where org_id = $1 and status = 'queued'`, [uuidOf(org)])
  const writer = new pg.Client({ connectionString: database.systemUrl })
  await writer.connect()
  try {
    await writer.query('begin')
    await writer.query(`update pins set status = 'failed', error_code = 'too_big' where id = $1`, [
      uuidOf(id),
    ])
    await writer.query(`select count_pins($1, '{queued,failed}', '{0,0}', '{-1,1}')`, [
      [uuidOf(org), uuidOf(org)],
    ])
    const correcting = look('op')
    await until('the recount waits for the writer', recountWaits, { withinMs: patience.longMs })
    await writer.query('commit')
    assert.equal((await correcting).wrong, 2)
  } finally {
    await writer.end()
  }
  assert.partialDeepStrictEqual(await look(), { wrong: 0 })
})

test('two recounts at a time do not correct the same count twice', async () => {
  await system.query('update org_usage set bytes = bytes + 9 where org_id = $1', [uuidOf(org)])
  const other = new pg.Client({ connectionString: database.systemUrl })
  await other.connect()
  try {
    await other.query('begin')
    assert.equal((await other.query('select * from recount_org($1)', [uuidOf(org)])).rowCount, 1)
    const correcting = look('op')
    await until('the second recount waits for the first', recountWaits, { withinMs: patience.longMs })
    await other.query('commit')
    assert.equal((await correcting).wrong, 0)
  } finally {
    await other.end()
  }
  assert.partialDeepStrictEqual(await look(), { wrong: 0 })
})

test('corrections are exact beside writers of all kinds, and beside one another', async () => {
  const [a, b] = nodes
  assert.ok(a && b)
  let over = false
  const writing = async (name: string) => {
    for (let round = 0; round < 6; round++) {
      const cid = `${name}-${round}`
      const { id } = await accept(cid, 2, [a, b])
      await finish(a, cid, pinned)
      if (round % 3 === 0) await store.pins.removePin(org, id, actor)
      await store.measures.cluster(epoch)
    }
  }
  const correcting = async () => {
    while (!over) {
      await system.query('update pin_counts set n = n + 1 where org_id = $1', [uuidOf(org)])
      await system.query('update org_usage set bytes = bytes - 1 where org_id = $1', [uuidOf(org)])
      await look('op')
    }
  }
  const both = [correcting(), correcting()]
  await Promise.all(['x', 'y', 'z'].map(writing)).finally(() => (over = true))
  await Promise.all(both)
  assert.partialDeepStrictEqual(await look(), { wrong: 0 })
})

/** Runs a function whose caller has to hold the content's row. */
async function onContent(cid: string, call: string): Promise<void> {
  await system.query(`begin; select from contents where cid = '${cid}' for update; ${call}; commit`)
}

async function look(correctAs: string | null = null): Promise<Recount> {
  const { signal } = new AbortController()
  return await recount({ systemUrl: database.systemUrl, correctAs, onStep() {}, signal })
}

async function recountWaits(): Promise<boolean> {
  const { rows } = await system.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ~ 'recount_org'`,
  )
  return rows.length > 0
}

async function usageOf(status: 'queued' | 'pinning'): Promise<number> {
  return (await store.orgs.usage(org)).pins[status]
}

async function accept(cid: string, replicas: number, on: NodeIdentity[]) {
  const [accepted] = await store.pins.acceptPins(
    org,
    [{ id: mintId('pin'), cid, cidText: cid, replicas, actor, nodes: on.map(({ nodeId }) => nodeId) }],
    false,
  )
  assert.ok(accepted && 'pin' in accepted)
  return accepted.pin
}

async function claim(node: NodeIdentity, cid: string): Promise<number> {
  const due = (await store.placements.due(node, 100, 100)).filter((job) => job.cid === cid)
  const [claimed] = await store.placements.claim(node, due, 30_000)
  return claimed?.generation ?? assert.fail(`${cid} cannot be claimed`)
}

async function finish(node: NodeIdentity, cid: string, outcome: Outcome): Promise<void> {
  await store.placements.finish(node, [{ cid, generation: await claim(node, cid), outcome }])
}
