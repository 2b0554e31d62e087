import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { patience } from '../../testing/patience.ts'
import type { Epoch } from '../core/epoch.ts'
import { mintId, uuidOf } from '../core/ids.ts'
import type { OrgId, PinId } from '../core/ids.ts'
import type { Pin } from '../core/pin.ts'
import type { Bus, SteadyClock } from '../core/ports.ts'
import { untracedAttempts } from '../core/tracing.ts'
import { fakeIpfs } from '../../testing/fakes/kubo.ts'
import { notRestored } from '../../testing/fakes/not-restored.ts'
import type { FakeIpfs } from '../../testing/fakes/kubo.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'
import type { NodeIdentity } from '../core/node.ts'
import { pinWorker } from './pin-worker.ts'
import type { PinWorker } from './pin-worker.ts'
import { reconcile } from './reconcile.ts'
import { sweep } from './sweep.ts'
import { silentLog as log } from '../core/silent-log.ts'

// The worker's tests on a fake store test its logic; these tests show that the real store keeps the same rules.

const clock: SteadyClock = {
  steadyMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
}
const actor = mintId('tok')
const address = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWGRUyrQFFqBLUmbBnVTWRkQaDYXLVhQhZBvT7LGKDYXvA'
const { store, system } = await testStore({ knownNodes: { addresses: () => [address] } })
let org: OrgId
let node: NodeIdentity
let epoch: Epoch

before(async () => {
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  node = await store.nodes.boot('node-1')
  epoch = await nextEpoch(store)
})

/** A bus that delivers nothing: all work comes from Postgres, or is offered. */
const noBus: Bus = {
  publishJobs: async () => {},
  consumeJobs: (_nodeId, _maxPending, _onJob, signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  trouble: () => null,
}

function atWork(
  identity = node,
): { ipfs: FakeIpfs; worker: PinWorker; stop: () => Promise<void> } & AsyncDisposable {
  const ipfs = fakeIpfs({ clock, tickMs: 20 })
  const worker = pinWorker({
    identity,
    bus: noBus,
    placements: store.placements,
    ipfs,
    clock,
    log,
    trace: untracedAttempts,
    options: {
      concurrency: 16,
      stallTimeoutMs: 1_500,
      minRateBytes: 0,
      maxAgeMs: 60_000,
      backoffMinMs: 200,
      backoffMaxMs: 1_000,
      pollIntervalMs: 300,
    },
  })
  const stopping = new AbortController()
  const running = worker.run(stopping.signal)
  const stop = async () => {
    stopping.abort()
    await running
  }
  return { ipfs, worker, stop, [Symbol.asyncDispose]: stop }
}

/** Accepts pins, and offers them to `worker` if there is one, as a real accept does. */
async function pin(cids: string[], worker?: PinWorker): Promise<PinId[]> {
  const pins = cids.map((cid) => ({
    id: mintId('pin'),
    actor,
    cid,
    cidText: cid,
    replicas: 1,
    nodes: [node.nodeId],
  }))
  const accepted = await store.pins.acceptPins(org, pins, false)
  for (const one of accepted) if ('woken' in one) worker?.offer(one.woken)
  return pins.map(({ id }) => id)
}

async function remove(id: PinId, worker?: PinWorker): Promise<void> {
  const woken = await store.pins.removePin(org, id, actor)
  worker?.offer(woken)
}

/** Waits for a change that depends on the clock of Postgres; fails with the last value that it saw. */
async function until<T>(read: () => Promise<T> | T, done: (seen: T) => boolean): Promise<T> {
  const deadline = performance.now() + patience.usualMs
  for (;;) {
    const seen = await read()
    if (done(seen)) return seen
    assert.ok(performance.now() < deadline, `still ${JSON.stringify(seen)}`)
    await sleep(10)
  }
}

const get = (id: PinId) => store.pins.getPin(org, id)
const isPinned = (one: Pin) => one.status === 'pinned'

/** Runs the leader's sweep, which releases contents that no pin wants. */
const sweepOnce = () =>
  sweep({ store: store.sweep, bus: noBus, log }).run({ epoch, signal: new AbortController().signal })

test('a batch that is only in Postgres ends pinned in Kubo and in Postgres', async () => {
  await pin(Array.from({ length: 300 }, (_, index) => `batch-${index}`))
  await using at = atWork()
  await until(
    () => at.worker.stats().pinned,
    (pinned) => pinned === 300,
  )
  assert.equal((await store.pins.listPins(org, { limit: 1, statuses: ['pinned'] })).count, 300)
  assert.equal(at.ipfs.standing.size, 300)
})

test('progress is shown, and a DELETE during the fetch ends it within a second', async () => {
  await using at = atWork()
  at.ipfs.offer('big', { blocks: 1_000, bytes: 1_000_000 })
  at.ipfs.fault('big', { kind: 'slow', everyMs: 20 })
  const [id = assert.fail()] = await pin(['big'], at.worker)
  const seen = await until(
    () => get(id),
    ({ status, info }) => status === 'pinning' && Number(info['blocks']) > 0,
  )
  assert.ok(Number(seen.info['bytes']) > 0)
  await remove(id, at.worker)
  await until(
    () => at.ipfs.underWay(),
    (underWay) => underWay === 0,
  )
  assert.ok(at.ipfs.fetchedBytes() < 1_000_000, 'it was fetched to the end')
  await sweepOnce()
  await until(
    () => store.reconcile.placementsOf(node, ['big']),
    (placements) => placements.length === 0,
  )
  assert.ok(!at.ipfs.standing.has('big'))
})

test('content that no peer has is retried with its reason, and is pinned once a peer has it', async () => {
  await using at = atWork()
  at.ipfs.fault('lost', { kind: 'stall' })
  const [id = assert.fail()] = await pin(['lost'], at.worker)
  const seen = await until(
    () => get(id),
    ({ info }) => info['error_code'] !== undefined,
  )
  assert.equal(seen.info['error_code'], 'not_found_in_time')
  at.ipfs.fault('lost', null)
  await until(() => get(id), isPinned)
})

test('of 300 orgs that each wait for content that no peer has, the youngest gets its content soon after a peer has it', async () => {
  const young = 'late-299'
  const own = await store.nodes.boot('node-of-many')
  await using at = atWork(own)
  for (let index = 0; index < 300; index++) at.ipfs.fault(`late-${index}`, { kind: 'stall' })
  // each of an org of its own, and tried before; the retries of the 280 oldest are not due
  await system.query(
    `with made as (insert into contents (cid, wanted) select 'late-' || n, 1 from generate_series(0, 299) n returning cid)
     insert into placements (cid, node_id, generation, state, reason, org_id, retrying, attempts, wanted_since, next_attempt_at)
     select m.cid, $1, nextval('placement_generation'), 'queued', 'new',
       ('019a0000-0000-7000-8000-' || lpad(split_part(m.cid, '-', 2), 12, '0'))::uuid, true, 1, clock_timestamp(),
       clock_timestamp() + case when split_part(m.cid, '-', 2)::int < 280 then interval '1 hour' else interval '0' end
     from made m`,
    [uuidOf(own.nodeId)],
  )
  const attempts = async () => {
    const { rows } = await system.query<{ least: number; young: string }>(
      `select min(attempts) filter (where next_attempt_at < now() + interval '10 minutes') as least,
         max(state) filter (where cid = $2) as young from placements where node_id = $1`,
      [uuidOf(own.nodeId), young],
    )
    return rows[0] ?? assert.fail()
  }
  await until(attempts, ({ least }) => least >= 2)
  at.ipfs.fault(young, null)
  await until(attempts, ({ young }) => young === 'pinned')
  // The reads of the other tests' node find nothing of it.
  await system.query('delete from placements where node_id = $1', [uuidOf(own.nodeId)])
})

test('content that is wanted and unwanted in quick succession, with sweeps meanwhile, ends as it was last asked for', async () => {
  await using at = atWork()
  for (let round = 0; round < 8; round++) {
    const [id = assert.fail()] = await pin(['turns'], at.worker)
    if (round % 3 !== 0) await sleep(round * 7)
    await remove(id, at.worker)
    if (round % 2 === 0) await sweepOnce()
  }
  const [id = assert.fail()] = await pin(['turns'], at.worker)
  await until(() => get(id), isPinned)
  await sweepOnce()
  await until(
    () => at.worker.stats(),
    ({ active, finishing }) => active + finishing === 0,
  )
  assert.ok(at.ipfs.standing.has('turns'))
  await remove(id, at.worker)
  await sweepOnce()
  await until(
    () => at.ipfs.standing.has('turns'),
    (isPinned) => !isPinned,
  )
})

test('an outage of Kubo uses up no attempt', async () => {
  await using at = atWork()
  at.ipfs.down()
  const [id = assert.fail()] = await pin(['away'], at.worker)
  await until(
    () => at.worker.stats().waitingFor,
    (needs) => needs.includes('kubo'),
  )
  assert.equal((await get(id)).info['error_code'], undefined)
  at.ipfs.up()
  await until(() => get(id), isPinned)
})

test('a stop hands work back, and the next incarnation continues with it from Postgres', async () => {
  const first = atWork()
  first.ipfs.fault('handed', { kind: 'stall' })
  const [id = assert.fail()] = await pin(['handed'], first.worker)
  await until(
    () => first.ipfs.underWay(),
    (underWay) => underWay === 1,
  )
  await first.stop()
  assert.equal((await get(id)).status, 'queued')
  const next = await store.nodes.boot('node-1')
  assert.ok(next.incarnation > node.incarnation)
  node = next
  await using second = atWork()
  await until(() => get(id), isPinned)
  assert.ok(second.ipfs.standing.has('handed'))
})

test('the reconciler repairs what Kubo lost and unpins what no pin wants', async () => {
  await using at = atWork()
  const reconciler = reconcile({
    identity: node,
    store: store.reconcile,
    restore: notRestored,
    ipfs: at.ipfs,
    log,
    offer: (jobs) => at.worker.offer(jobs),
    isBusy: (cid) => at.worker.isBusy(cid),
  })
  const turn = { signal: new AbortController().signal }
  // The Kubo of this test is empty, so all pins of the earlier tests are missing in it.
  const first = await reconciler.run(turn)
  assert.ok(Number(first['repaired']) >= 300)
  await until(
    () => at.ipfs.standing.size,
    (size) => size === first['repaired'],
  )
  at.ipfs.pinByHand('left over', 'anchorage')
  at.ipfs.pinByHand('theirs', 'somebody')
  assert.partialDeepStrictEqual(await reconciler.run(turn), { unwanted: 1, removed: 0, repaired: 0 })
  assert.partialDeepStrictEqual(await reconciler.run(turn), { unwanted: 1, removed: 1, repaired: 0 })
  await until(
    () => at.ipfs.standing.has('left over'),
    (isPinned) => !isPinned,
  )
  assert.ok(at.ipfs.standing.has('theirs'))
  await until(
    () => store.reconcile.placementsOf(node, ['left over']),
    (placements) => placements.length === 0,
  )
})
