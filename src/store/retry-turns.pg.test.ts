import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { uuidOf } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import { testStore } from '../../testing/database/test-store.ts'

const { store, system } = await testStore()
/** A new node for each test. */
let node: NodeIdentity
let round = 0

beforeEach(async () => {
  node = await store.nodes.boot(`node-${++round}`)
})

/** Makes `perOrg` queued retries for each of the orgs `from` to `to`, due `dueIn` from now. */
async function retries(name: string, from: number, to: number, perOrg: number, dueIn: string): Promise<void> {
  await system.query(
    `insert into placements (cid, node_id, generation, state, reason, org_id, retrying, attempts, wanted_since, next_attempt_at)
     select $1 || '-' || o || '-' || n, $2, nextval('placement_generation'), 'queued', 'new',
       ('019a0000-0000-7000-8000-' || lpad(o::text, 12, '0'))::uuid, true, 1, now(), clock_timestamp() + $6::interval
     from generate_series($3::int, $4::int) o, generate_series(1, $5::int) n`,
    [name, uuidOf(node.nodeId), from, to, perOrg, dueIn],
  )
}

const read = async (retries?: number) =>
  (await store.placements.due(node, 256, 1_024, retries)).map(({ cid }) => cid)

test('one read finds the only org with a retry that is due, however many orgs have retries that wait', async () => {
  await retries('waiting', 1, 6_000, 1, '1 hour')
  await retries('due', 3_000, 3_000, 1, '-1 second')
  await system.query('analyze placements')
  assert.deepEqual(await read(), ['due-3000-1'])
  assert.deepEqual(await read(), ['due-3000-1'], 'and again, as long as it is due')
})

test('thousands of retries of one org do not hide those of others: each org has its turn, oldest or youngest', async () => {
  await retries('big', 1, 1, 9_000, '-1 hour')
  await retries('small', 2, 601, 1, '-1 second')
  const met = new Set<string>()
  for (let reads = 1; reads <= 3; reads++) for (const cid of await read()) met.add(cid)
  assert.equal([...met].filter((cid) => cid.startsWith('small')).length, 600)
  assert.ok([...met].some((cid) => cid.startsWith('big')))
})

test('retries that have the same due time are all found, more than one step looks at', async () => {
  await system.query('begin')
  await system.query(
    `insert into placements (cid, node_id, generation, state, reason, org_id, retrying, attempts, wanted_since, next_attempt_at)
     select 'same-' || n, $1, nextval('placement_generation'), 'queued', 'new', ('019a0000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
       true, 1, now(), now() from generate_series(1, 5000) n`,
    [uuidOf(node.nodeId)],
  )
  await system.query('commit')
  const met = new Set<string>()
  for (let reads = 1; reads <= Math.ceil(5_000 / 256); reads++) for (const cid of await read()) met.add(cid)
  assert.equal(met.size, 5_000)
})

test('an org keeps its turn when there was no room for its retry', async () => {
  await retries('one', 1, 40, 1, '-1 second')
  const met = new Set<string>()
  assert.deepEqual(await read(0), [])
  for (let reads = 1; reads <= 4; reads++) {
    const cids = await read(10)
    assert.equal(cids.length, 10)
    for (const cid of cids) met.add(cid)
  }
  assert.equal(met.size, 40)
})

test('a retry that is written with a due time long ago is found, and one that is no longer due is not read', async () => {
  await retries('first', 1, 3, 1, '-1 second')
  assert.equal((await read()).length, 3)
  await retries('late', 9, 9, 1, '-1 day')
  assert.ok((await read()).includes('late-9-1'))
  await system.query(
    `update placements set next_attempt_at = now() + interval '1 hour' where node_id = $1 and cid <> 'late-9-1'`,
    [uuidOf(node.nodeId)],
  )
  assert.deepEqual(await read(), ['late-9-1'])
})
