import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import pg from 'pg'
import type { Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { NewPin } from '../core/pin.ts'
import type { Outcome } from '../core/placement.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'

const actor = mintId('tok')
const retry: Outcome = { kind: 'retry', errorCode: 'stalled', error: 'no block came', delayMs: 3_600_000 }
const ends: Outcome[] = [
  { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false },
  { kind: 'failed', errorCode: 'not_found_in_time', error: 'no node has it' },
  { kind: 'released' },
  retry,
]
const { database, store, system } = await testStore()
let nodes: NodeIdentity[]
let orgs: OrgId[]
let epoch: Epoch

before(async () => {
  nodes = [await store.nodes.boot('one'), await store.nodes.boot('two')]
  orgs = await Promise.all(
    ['ours', 'theirs'].map(async (slug) => (await store.orgDirectory.createOrg(slug, {}, 'operator')).id),
  )
  epoch = await nextEpoch(store)
})

test('however pins and placements come and go, also concurrently, their counts equal a recount', async () => {
  assert.deepEqual((await store.measures.cluster(epoch)).placements, [])
  for (let round = 0; round < 4; round++) {
    await Promise.all(orgs.map((orgId) => churn(orgId, round)))
    await demandHeldAsCounted()
    // The reader of an epoch may be cut off and another may come: neither who reads nor how often matters.
    await Promise.all([store.measures.cluster(epoch), store.measures.cluster(epoch)])
  }
  await system.query(`update placements set lost = true where node_id = $1`, [
    uuidOf(nodes[1]?.nodeId ?? assert.fail()),
  ])
  const { placements, pins } = await store.measures.cluster(epoch)
  const { rows } = await system.query(
    `select node_id, case when lost then 'lost' else state end as state, reason, count(*)::int as count
     from placements group by 1, 2, 3 order by 1, 2, 3`,
  )
  assert.deepEqual(
    placements.map(({ nodeId, ...rest }) => ({ node_id: uuidOf(nodeId), ...rest })),
    rows.map(({ node_id, state, reason, count }) => ({ node_id, state, reason, count })),
  )
  await demandHeldAsCounted()
  assert.ok(new Set(placements.map(({ state }) => state)).size >= 4, JSON.stringify(placements))
  const counted = await system.query('select status, count(*)::int as n from pins group by status')
  assert.deepEqual(
    new Map(Object.entries(pins).filter(([, n]) => n > 0)),
    new Map(counted.rows.map(({ status, n }) => [status, n])),
  )
})

test('the cluster is measured while pins and placements are locked, since neither is read', async () => {
  await accept('locked')
  const owner = new pg.Client({ connectionString: database.ownerUrl })
  await owner.connect()
  try {
    await owner.query('begin; lock table pins, placements in access exclusive mode')
    assert.ok((await store.measures.cluster(epoch)).pins.queued > 0)
    assert.ok((await store.measures.pins()).queued > 0)
    assert.ok((await store.measures.held()).length > 2)
  } finally {
    await owner.end()
  }
})

test('the age of a queue is read from indexes of the queue', async () => {
  const { rows } = await system.query<{ prosrc: string }>(
    `select prosrc from pg_proc where proname = 'queue_oldest_ms'`,
  )
  const body = rows[0]?.prosrc.replaceAll('= node', `= '${uuidOf(mintId('nod'))}'`)
  const plan = await system.query<{ 'QUERY PLAN': string }>(`explain ${body}`)
  const reads = plan.rows.map((row) => row['QUERY PLAN']).filter((line) => line.includes(' on placements'))
  assert.equal(reads.length, 3)
  for (const line of reads) assert.match(line, /Index (?:Only )?Scan using placements_(?:due|unpinning) on /)
})

test('a statement that only records progress adds no change to be counted', async () => {
  const [node = assert.fail()] = nodes
  await accept('progress')
  const claims = await claimAll(node)
  await store.measures.cluster(epoch)
  await store.placements.extend(
    node,
    claims.map(({ cid, generation }) => ({ cid, generation, blocks: 3, bytes: 30 })),
    30_000,
  )
  const { rows } = await system.query('select count(*)::int as n from placement_changes')
  assert.deepEqual(rows, [{ n: 0 }])
})

test('a leader of an old epoch counts nothing', async () => {
  await accept('past')
  const past = epoch
  epoch = await nextEpoch(store)
  await assert.rejects(store.measures.cluster(past), (error) => isCode(error, 'not_leading'))
})

test('the age of a queue is that of the placement that waits longest, of any org; an attempt that is due later does not count', async () => {
  const node = await store.nodes.boot('three')
  assert.equal(await store.measures.queueOldestMs(node), 0)
  for (const orgId of orgs) await accept(`old-${orgId}`, orgId, [node])
  await system.query(
    `update placements set next_attempt_at = next_attempt_at - interval '90 s' where node_id = $1 and org_id = $2`,
    [uuidOf(node.nodeId), uuidOf(orgs[1] ?? assert.fail())],
  )
  const oldest = await store.measures.queueOldestMs(node)
  assert.ok(oldest >= 90_000 && oldest < 120_000, String(oldest))
  const claims = await claimAll(node)
  await store.placements.finish(
    node,
    claims.map(({ cid, generation }) => ({ cid, generation, outcome: retry })),
  )
  assert.equal(await store.measures.queueOldestMs(node), 0)
  const [org = assert.fail()] = orgs
  const id = await accept('unwanted', org, [node])
  await claimAll(node)
  await store.pins.removePin(org, id, actor)
  await system.query(
    `update placements set next_attempt_at = next_attempt_at - interval '45 s' where node_id = $1 and state = 'unpinning'`,
    [uuidOf(node.nodeId)],
  )
  assert.ok((await store.measures.queueOldestMs(node)) >= 45_000, 'an unpin waits too')
})

test('work that a suspended org waits for does not count for the age of a queue', async () => {
  const node = await store.nodes.boot('four')
  const { id } = await store.orgDirectory.createOrg('suspended', {}, 'operator')
  await accept('put by', id, [node])
  await store.orgDirectory.suspendOrg(id, 'a test', 'operator')
  assert.deepEqual(await claimAll(node), [], 'its work is put by')
  assert.equal(await store.measures.queueOldestMs(node), 0)
})

async function churn(orgId: OrgId, round: number): Promise<void> {
  const ids = []
  for (let i = 0; i < 12; i++) ids.push(await accept(`churn-${round}-${i % 9}`, orgId, nodes))
  for (const node of nodes) {
    const claims = await claimAll(node)
    await store.placements.finish(
      node,
      claims.map(({ cid, generation, work }, i) => ({
        cid,
        generation,
        outcome: work === 'unpin' ? { kind: 'unpinned' } : (ends[i % ends.length] ?? retry),
      })),
    )
  }
  for (const id of ids.slice(0, 5)) await store.pins.removePin(orgId, id, actor)
  await store.sweep.releaseDue(epoch, 100)
}

/** The placements and bytes held by the nodes equal a recount, even before a leader has added up the changes. */
async function demandHeldAsCounted(): Promise<void> {
  const { rows } = await system.query(
    `select node_id, case when lost then 'lost' else state end as state, reason, count(*)::int as count,
       coalesce(sum(bytes) filter (where state = 'pinned'), 0)::int as bytes
     from placements group by 1, 2, 3 order by 1, 2, 3`,
  )
  const held = await store.measures.held()
  assert.deepEqual(
    held.map(({ nodeId, ...rest }) => ({ node_id: uuidOf(nodeId), ...rest })),
    rows,
  )
}

async function accept(cid: string, orgId = orgs[0] ?? assert.fail(), on = nodes) {
  const pin: NewPin = {
    id: mintId('pin'),
    cid,
    cidText: cid,
    replicas: on.length,
    actor,
    nodes: on.map(({ nodeId }) => nodeId),
  }
  await store.pins.acceptPins(orgId, [pin], false)
  return pin.id
}

async function claimAll(node: NodeIdentity) {
  return store.placements.claim(node, await store.placements.due(node, 1_000, 1_000), 30_000)
}
