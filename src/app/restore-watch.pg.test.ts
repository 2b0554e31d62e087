import assert from 'node:assert/strict'
import { bareClaim } from '../core/name-claim.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { before, test } from 'node:test'
import pg from 'pg'
import { copyOf, testDatabase, type TestDatabase } from '../../testing/servers/postgres.ts'
import { adopt } from '../core/adopt.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type OrgId } from '../core/ids.ts'
import type { Remembered } from '../core/marks.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Claim, Job, Outcome } from '../core/placement.ts'
import { silentLog } from '../core/silent-log.ts'
import { openStore, type Store } from '../store/store.ts'
import { restoreWatch, type RestoreWatch } from './restore-watch.ts'

/** What node-1 has saved last, in place of its file. */
let memory: Remembered | null = null
/** What it had saved at the end of the late database. */
let seen: Remembered
/** The database as it was before `later`, and before node-1 started again; and as it was at the end. */
let early: TestDatabase
let late: TestDatabase
const sign = { usedBytes: null, capacityBytes: null }

interface World extends AsyncDisposable {
  store: Store
  system: pg.Client
  org: OrgId
  /** Starts node-1, as `startNode` does. */
  start(remembered?: Remembered | null): Promise<{ node: NodeIdentity; watch: RestoreWatch }>
  /** Accepts a pin on a node, which pins it. */
  pinned(cid: string, node: NodeIdentity, watch: RestoreWatch): Promise<void>
}

before(async () => {
  const first = await testDatabase()
  {
    await using at = await open(first)
    const { node, watch } = await at.start()
    await at.pinned('kept', node, watch)
    await watch.around(async () => {})
    await watch.save()
  }
  early = await copyOf(first)
  {
    await using at = await open(first)
    const { node, watch } = await at.start(memory)
    assert.equal(node.incarnation, 2)
    await nextEpoch(at.store)
    for (let n = 0; n < 12; n++) await at.pinned(`later-${n}`, node, watch)
    await watch.around(async () => {})
    await watch.save()
    assert.equal(watch.restored(), false)
  }
  late = first
  seen = memory ?? assert.fail('nothing is remembered')
})

test('a node notices a database that was restored by other means, and all nodes know it; the numbers go on beyond the lost ones', async () => {
  await using at = await open(await copyOf(early))
  const { node, watch } = await at.start(seen)
  assert.equal(node.incarnation, 3, 'the incarnation does not go back')
  const other = await at.store.nodes.boot('node-2')
  const others = restoreWatch({
    ...parts(at.store, other, 'node-2'),
    remembered: { ...seen, generation: seen.generation + 9 },
  })
  assert.equal(await watch.isRestored(), true)
  const [marked] = await rows(at, 'select restore_id, restored_at, epoch from cluster')
  const restoreId = marked?.restore_id
  assert.ok(marked && typeof restoreId === 'string')
  assert.ok(Number(marked.epoch) > seen.epoch)
  assert.equal(await others.isRestored(), true)
  assert.equal(
    (await rows(at, 'select restore_id from cluster'))[0]?.restore_id,
    marked.restore_id,
    'one mark',
  )
  const [next] = await rows(at, `select nextval('placement_generation') as n`)
  assert.ok(Number(next?.n) > seen.generation + 9)
  assert.equal(watch.trouble()?.what, 'history')
  const [line] = await rows(at, `select actor, details from audit_log where action = 'restore.notice'`)
  assert.equal(line?.actor, node.nodeId)

  await at.store.operator.confirmReconcile(node.nodeId, 'operator')
  assert.deepEqual(await watch.state(), { restoreId, stage: 'comparing' })
  assert.deepEqual(await others.state(), { restoreId, stage: 'undecided' }, 'each node is decided for apart')
  assert.equal(memory?.restoreId, marked?.restore_id)
  await others.compared(restoreId)
  await watch.compared(restoreId)
  assert.deepEqual(await watch.state(), { restoreId, stage: 'waiting' })
  assert.match(watch.trouble()?.reason ?? '', /until node-2 follow it too/)
  await at.system.query(`update nodes set state = 'drained' where name = 'node-2'`)
  assert.equal(await watch.isRestored(), false, 'a drained node has no placements')
  await at.pinned('after', node, watch)
  await watch.around(async () => {})
  const again = await at.start(memory)
  assert.equal(await again.watch.isRestored(), false)
})

test('the last copy of a content stays when the database says wrongly that another node has one', async () => {
  await using at = await open(await copyOf(early))
  const { node, watch } = await at.start(seen)
  const other = await at.store.nodes.boot('node-2')
  await watch.isRestored()
  const { placements, reconcile, pins } = at.store
  // by the database, `kept` is on node-1; since then it was moved to node-2
  const cids = ['kept']
  assert.deepEqual(await placements.lastCopies(other, cids), [])
  const unpin = async (): Promise<Claim> => {
    const [claim] = await placements.claim(other, await placements.dueUnpins(other, 10), 60_000)
    return claim ?? assert.fail('nothing to unpin')
  }
  const finish = ({ generation }: Claim, outcome: Outcome): Promise<Job[]> =>
    placements.finish(other, [{ cid: 'kept', generation, outcome }])
  await reconcile.dropUnwanted(other, cids)
  const claimed = await unpin()
  assert.equal(claimed.work, 'unpin')
  assert.equal((await reconcile.requeueMissing(node, cids)).length, 1)
  assert.deepEqual(await placements.lastCopies(other, cids), cids)

  assert.deepEqual(await finish(claimed, { kind: 'kept' }), [])
  assert.deepEqual(await reconcile.placementsOf(other, cids), [
    { cid: 'kept', state: 'pinned', fromBefore: false },
  ])
  const [pin] = (await pins.listPins(at.org, { limit: 1, cids })).results
  assert.equal(pin?.status, 'pinned')
  const [content] = await rows(
    at,
    `select c.unsettled, p.bytes::int from contents c join placements p using (cid) where c.cid = 'kept' and p.state = 'pinned'`,
  )
  assert.deepEqual(content, { unsettled: true, bytes: 10 }, 'the leader decides which copy stays')

  await pins.removePin(at.org, pin?.id ?? assert.fail(), mintId('tok'))
  await at.store.sweep.releaseDue(await nextEpoch(at.store), 100)
  assert.deepEqual(await placements.lastCopies(other, cids), [], 'no pin wants it')
  assert.deepEqual(await finish(await unpin(), { kind: 'kept' }), [])
  assert.deepEqual(await reconcile.placementsOf(other, cids), [
    { cid: 'kept', state: 'unpinning', fromBefore: false },
  ])
})

test('a failover that lost the last commits is noticed, although the sequence is beyond the lost numbers', async () => {
  await using at = await open(await copyOf(early))
  // A server that crashed or was promoted continues the sequence up to 32 numbers further on.
  await rows(at, `select setval('placement_generation', ${seen.generation + 32})`)
  await at.system.query('update cluster set epoch = $1', [seen.epoch])
  const { watch } = await at.start(seen)
  assert.equal(await watch.isRestored(), true)
  assert.match(watch.trouble()?.reason ?? '', /lacks 8 of the last 8 contents that this node pinned/)
})

test('a database that did not go back is not restored, also after content was unpinned and the node was drained', async () => {
  await using at = await open(await copyOf(late))
  const { node, watch } = await at.start(seen)
  assert.equal(await watch.isRestored(), false)
  const pins = await at.store.pins.listPins(at.org, { limit: 3, cids: ['later-11', 'later-10', 'later-9'] })
  assert.equal(pins.count, 3)
  for (const { id } of pins.results) await at.store.pins.removePin(at.org, id, mintId('tok'))
  const epoch = await nextEpoch(at.store)
  await at.store.sweep.releaseDue(epoch, 100)
  const jobs = await at.store.placements.dueUnpins(node, 10)
  assert.equal(jobs.length, 3)
  const placements = watch.watching(at.store.placements)
  await placements.claim(node, jobs, 60_000)
  await placements.finish(
    node,
    jobs.map(({ cid, generation }) => ({ cid, generation, outcome: { kind: 'unpinned' } })),
  )
  assert.equal(await watch.isRestored(), false)
  await at.system.query(`update nodes set state = 'drained' where id = $1`, [uuidOf(node.nodeId)])
  await at.system.query('delete from placements where node_id = $1', [uuidOf(node.nodeId)])
  assert.equal(await watch.isRestored(), false)
})

test('a process whose node has an older incarnation in the database goes on; one that was replaced ends', async () => {
  await using at = await open(await copyOf(early))
  const { node } = await at.start(seen)
  await at.system.query('update nodes set incarnation = 1')
  assert.equal(await at.store.nodes.see(node, sign), true)
  const [row] = await rows(at, 'select incarnation from nodes')
  assert.equal(Number(row?.incarnation), node.incarnation)
  await at.start(seen)
  assert.equal(await at.store.nodes.see(node, sign), false)
})

test('a node that is newer than the restored database gets its row back, and a forgotten node does not', async () => {
  await using at = await open(await copyOf(early))
  const node = { nodeId: mintId('nod'), incarnation: 4 }
  const newer = restoreWatch({ ...parts(at.store, node, 'node-9'), remembered: seen })
  assert.equal(await newer.isRestored(), true)
  assert.equal(await at.store.nodes.see(node, sign), true)
  const gone = { nodeId: mintId('nod'), incarnation: 1 }
  const forgotten = restoreWatch({ ...parts(at.store, gone, 'node-8'), remembered: null })
  await forgotten.isRestored()
  assert.equal(await at.store.nodes.see(gone, sign), false)
})

test('while Postgres cannot be asked, nothing is known, so nothing may be removed', async () => {
  const at = await open(await copyOf(early))
  const { watch } = await at.start(seen)
  await at[Symbol.asyncDispose]()
  await assert.rejects(watch.isRestored())
})

test('unwanted pins are adopted as pins of an org on the node that has them, within its limits, and a second time changes nothing', async () => {
  await using at = await open(await copyOf(early))
  const { node } = await at.start(seen)
  const other = await at.store.nodes.boot('node-2')
  const cids = Array.from({ length: 40 }, (_, n) => `later-${n}`).toSorted()
  await at.store.reconcile.noteUnwanted(node, ['stale'])
  await at.store.reconcile.noteUnwanted(node, cids)
  await at.store.reconcile.noteUnwanted(other, ['later-7'])
  assert.deepEqual(
    (await at.store.operator.unwanted(node.nodeId, 'later-38', 10)).map(({ cid }) => cid),
    ['later-39', 'later-4', 'later-5', 'later-6', 'later-7', 'later-8', 'later-9'],
  )
  const [seventh] = await at.store.operator.unwanted(other.nodeId, '', 10)
  assert.deepEqual(seventh?.holders, [other.nodeId, node.nodeId])

  const rescue = await at.store.orgDirectory.createOrg('rescue', { limits: { maxPins: 35 } }, 'operator')
  await assert.rejects(adopted(at, node), (error) => isCode(error, 'over_quota'))
  await at.store.orgDirectory.setOrg(rescue.id, { maxPins: null }, 'operator')
  for (let n = 0; n < 2; n++) assert.equal(await adopted(at, node), 40)
  const listed = await at.store.pins.listPins(rescue.id, { limit: 100 })
  assert.deepEqual([listed.count, new Set(listed.results.map(({ cid }) => cid)).size], [40, 40])
  assert.match(listed.results[0]?.meta?.['anchorage.adopted'] ?? '', /^\d{4}-/)
  const states = await at.store.reconcile.placementsOf(node, cids)
  assert.deepEqual(new Set(states.map(({ state }) => state)), new Set(['queued']))
  assert.equal(states.length, 40, 'all are placed where the content is')
  const [audited] = await rows(
    at,
    `select count(*) as n from audit_log where action = 'pin.create' and actor = 'operator:test'`,
  )
  assert.equal(Number(audited?.n), 40)
  await at.store.orgDirectory.suspendOrg(rescue.id, 'why', 'operator')
  await assert.rejects(adopted(at, node), (error) => isCode(error, 'conflict'))
})

async function adopted(at: World, { nodeId }: NodeIdentity): Promise<number> {
  let last = 0
  const { store } = at
  const parts = { store, nodes: () => store.nodes.list(), room: { highWater: 0.9 }, now: Date.now }
  for await (const n of adopt(parts, { nodeId, org: 'rescue', actor: 'operator:test' })) last = n
  return last
}

function parts(store: Store, node: NodeIdentity, name: string) {
  return {
    store: store.marks,
    node: { ...node, name },
    write: async (now: Remembered) => void (memory = now),
    onChange() {},
    log: silentLog,
  }
}

async function open(database: TestDatabase): Promise<World> {
  const undo = new AsyncDisposableStack()
  const store = undo.use(openStore({ ...database, log: silentLog }))
  const system = new pg.Client({ connectionString: database.systemUrl })
  await system.connect()
  undo.defer(() => system.end())
  const org = await store.orgDirectory
    .findOrg('ours')
    .catch(() => store.orgDirectory.createOrg('ours', {}, 'operator'))
  return {
    store,
    system,
    org: org.id,
    async start(remembered = null) {
      const node = await store.nodes.boot('node-1', null, bareClaim, remembered?.incarnation)
      return { node, watch: restoreWatch({ ...parts(store, node, 'node-1'), remembered }) }
    },
    async pinned(cid, node, watch) {
      const actor = mintId('tok')
      const pin = { id: mintId('pin'), cid, cidText: cid, replicas: null, actor, nodes: [node.nodeId] }
      const [accepted] = await store.pins.acceptPins(org.id, [pin], false)
      assert.ok(accepted && 'pin' in accepted)
      const [claim] = await watch.watching(store.placements).claim(node, accepted.woken, 60_000)
      assert.ok(claim)
      const outcome = { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false } as const
      await watch.watching(store.placements).finish(node, [{ cid, generation: claim.generation, outcome }])
    },
    [Symbol.asyncDispose]: () => undo.disposeAsync(),
  }
}

async function rows({ system }: World, sql: string): Promise<Record<string, unknown>[]> {
  return (await system.query(sql)).rows
}
