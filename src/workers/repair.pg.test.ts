import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { patience } from '../../testing/patience.ts'
import { isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Job } from '../core/placement.ts'
import type { Bus, Clock } from '../core/ports.ts'
import { untracedAttempts } from '../core/tracing.ts'
import { fakeIpfs } from '../../testing/fakes/kubo.ts'
import { notRestored } from '../../testing/fakes/not-restored.ts'
import { testDatabase } from '../../testing/servers/postgres.ts'
import { openStore } from '../store/store.ts'
import type { Store } from '../store/store.ts'
import { collectGarbage } from './collect-garbage.ts'
import type { Report } from './driver.ts'
import { Intake } from './intake.ts'
import { pinWorker } from './pin-worker.ts'
import { prune } from './prune.ts'
import { rebalance } from './rebalance.ts'
import { missingPins, reconcile } from './reconcile.ts'
import { repair } from './repair.ts'
import { watchdog } from './watchdog.ts'
import { silentLog as log } from '../core/silent-log.ts'

// The tests of these workers on fake stores show what they read and begin. These tests show that with the real store, content ends where it
// should.

const clock: Clock = {
  now: () => Date.now(),
  steadyMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
}
const signal = new AbortController().signal
const actor = mintId('tok')
const options = {
  concurrency: 16,
  stallTimeoutMs: 1_500,
  minRateBytes: 0,
  maxAgeMs: 60_000,
  backoffMinMs: 200,
  backoffMaxMs: 1_000,
  pollIntervalMs: 100,
}
const noBus: Bus = {
  publishJobs: async () => {},
  consumeJobs: (_nodeId, _maxPending, _onJob, stop) =>
    new Promise((resolve) => stop.addEventListener('abort', () => resolve(), { once: true })),
  trouble: () => null,
}

/** A node's pin worker and its Kubo, which has all content that exists. */
async function atWork(store: Store, name: string) {
  const identity = await store.nodes.boot(name)
  const ipfs = fakeIpfs({ clock, tickMs: 20 })
  const intake = new Intake({ state: () => 'active', restored: () => false, graceMs: 0, clock })
  const disk = { left: 1e9, used: 0, elsewhere: true }
  const worker = pinWorker({
    identity,
    bus: noBus,
    placements: store.placements,
    ipfs,
    clock,
    log,
    trace: untracedAttempts,
    options,
    taking: () => intake.taking(),
    room: { usedBytes: () => disk.used, leftBytes: () => disk.left, elsewhere: () => disk.elsewhere },
  })
  const stopping = new AbortController()
  const running = worker.run(stopping.signal)
  const stop = async () => {
    stopping.abort()
    await running
  }
  return { identity, id: identity.nodeId, ipfs, intake, disk, worker, stop }
}

/** Three nodes on a database of their own, and a leader whose view of the nodes is set by a test. */
async function cluster() {
  const undo = new AsyncDisposableStack()
  const store = openStore({ ...undo.use(await testDatabase()), log, unpinGraceMs: 0 })
  undo.use(store)
  const org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  const epoch = await nextEpoch(store)
  const a = await atWork(store, 'a')
  const b = await atWork(store, 'b')
  const c = await atWork(store, 'c')
  const members = [a, b, c]
  for (const { stop } of members) undo.defer(stop)
  const sights = new Map<NodeId, Partial<Node>>()
  let rows: Node[] = []
  const nodes = () => rows.map((node) => ({ ...node, live: true, silentMs: 0, ...sights.get(node.id) }))
  const bus = {
    async publishJobs(jobs: Job[]) {
      for (const { id, worker } of members) worker.offer(jobs.filter((job) => job.nodeId === id))
    },
  }
  const policy = { downGraceMs: 0, minCopies: 1, highWater: 0.9 }
  const listening = { listenedMs: () => Infinity, listenAgain: () => {} }
  const repairs = repair({
    store: store.repair,
    nodes,
    bus,
    policy,
    acceptMs: () => null,
    clock,
    log,
    ...listening,
  })
  const limits = { moves: 4, bytes: 1e9 }
  /** How many moves each call asked for. */
  const askedFor: number[] = []
  const plans: typeof store.plans = {
    ...store.plans,
    startMoves(leader, id, limit, bytes) {
      askedFor.push(limit)
      return store.plans.startMoves(leader, id, limit, bytes)
    },
  }
  const moves = rebalance({ plans, copies: store.repair, bus, limits, acceptMs: () => null, clock, log })
  const run = async (of = epoch): Promise<Report> => {
    rows = await store.nodes.list()
    return repairs.run({ epoch: of, signal })
  }
  /** CIDs whose copy on this node counts and is in one of these states. */
  const on = async (id: NodeId, ...states: string[]) =>
    (await store.repair.onNode(id, '', 1_000))
      .filter(({ copies }) =>
        copies.some(({ nodeId, state, lost }) => nodeId === id && !lost && states.includes(state)),
      )
      .map(({ cid }) => cid)
  return {
    store,
    epoch,
    a,
    b,
    c,
    run,
    on,
    bus,
    move: () => moves.run({ epoch, signal }),
    askedFor,
    gone: (id: NodeId) => void sights.set(id, { live: false, silentMs: 1 }),
    back: (id: NodeId) => void sights.delete(id),
    /** Pins this many contents on the first `replicas` of `ids`, and waits until they are pinned. */
    async pinned(count: number, replicas: number, ids: NodeId[]) {
      const cids = Array.from({ length: count }, (_, index) => `c${String(index).padStart(4, '0')}`)
      const pins = cids.map((cid) => ({ id: mintId('pin'), actor, cid, cidText: cid, replicas, nodes: ids }))
      await store.pins.acceptPins(org, pins, false)
      await this.until(async () => (await this.count('pinned')) === count)
      return pins
    },
    count: async (status: 'pinned' | 'queued' | 'pinning' | 'failed') =>
      (await store.pins.listPins(org, { limit: 1, statuses: [status] })).count,
    async until(done: () => Promise<boolean>) {
      const deadline = performance.now() + patience.usualMs
      while (!(await done())) {
        assert.ok(performance.now() < deadline, 'not in time')
        await sleep(20)
      }
    },
    /** Runs the leader's repair until `done`. */
    repaired(done: () => Promise<boolean>) {
      return this.until(async () => {
        await run()
        return done()
      })
    },
    [Symbol.asyncDispose]: () => undo.disposeAsync(),
  }
}

test('the content of a node that is gone is copied, and its extra copies are dropped when it is back', async () => {
  await using at = await cluster()
  const { a, b, c } = at
  await at.pinned(250, 2, [a.id, b.id])
  await b.stop()
  at.gone(b.id)
  await at.repaired(async () => (await at.on(c.id, 'pinned')).length === 250)
  assert.equal(await at.count('pinned'), 250, 'and was pinned all the time')
  assert.deepEqual(await at.on(b.id, 'pinned'), [])
  assert.deepEqual(await at.store.repair.downNodes(), [b.id])
  at.back(b.id)
  await at.repaired(async () => (await at.store.repair.walks()).length === 0)
  await at.repaired(async () => (await at.store.repair.unsettled('', 1)).length === 0)
  const places = await Promise.all([a, b, c].map(({ id }) => at.on(id, 'pinned')))
  assert.equal(places.flat().length, 500)
  assert.partialDeepStrictEqual(await at.run(), { looked: 0, added: 0, dropped: 0, down: 0 })
})

test('a drain moves all content, with no content ever short of a copy, and the drained Kubo ends empty', async () => {
  await using at = await cluster()
  const { a, b, c } = at
  await at.pinned(300, 1, [a.id])
  await at.store.operator.drain(a.id, 'operator')
  await at.repaired(async () => {
    const standing = [a, b, c].flatMap(({ ipfs }) => [...ipfs.standing.keys()])
    assert.equal(new Set(standing).size, 300, 'every content is in some Kubo')
    return (await at.store.operator.node(a.id)).state === 'drained'
  })
  assert.equal(a.ipfs.standing.size, 0)
  assert.equal(b.ipfs.standing.size + c.ipfs.standing.size, 300)
  const audit = await at.store.operator.audit({ limit: 1_000 })
  for (const action of ['placement.add', 'placement.drop'])
    assert.equal(audit.filter((entry) => entry.action === action).length, 300)
  await at.store.operator.uncordon(a.id, 'operator')
  assert.partialDeepStrictEqual(await at.run(), { added: 0, dropped: 0 })
})

test('nothing moves during maintenance, and an old leader moves nothing at all', async () => {
  await using at = await cluster()
  const { a, b, c } = at
  await at.pinned(20, 2, [a.id, b.id])
  at.gone(b.id)
  await at.store.operator.setMaintenance({ reason: 'switches', ttlMs: null }, 'operator')
  assert.partialDeepStrictEqual(await at.run(), { maintenance: true })
  assert.deepEqual(await at.on(c.id, 'queued', 'pinning', 'pinned'), [])
  await at.store.operator.setMaintenance(null, 'operator')
  await nextEpoch(at.store)
  await assert.rejects(at.run(), (error) => isCode(error, 'not_leading'))
  assert.deepEqual(await at.on(c.id, 'queued', 'pinning', 'pinned'), [])
})

test('content that does not fit on its node is moved to another, and the audit says why', async () => {
  await using at = await cluster()
  const { a, b, c } = at
  a.disk.left = 0
  await at.pinned(0, 1, [a.id])
  const pins = at.pinned(10, 1, [a.id])
  await at.until(async () => (await at.on(a.id, 'failed')).length === 10)
  await at.repaired(async () => (await at.on(a.id, 'failed', 'unpinning')).length === 0)
  await pins
  assert.equal((await at.on(b.id, 'pinned')).length + (await at.on(c.id, 'pinned')).length, 10)
  const drops = (await at.store.operator.audit({ limit: 1_000 })).filter(
    ({ action }) => action === 'placement.drop',
  )
  assert.partialDeepStrictEqual(drops[0]?.details, { reason: 'node_full' })
})

test('a plan makes its moves a few at a time, and makes none while it is paused', async () => {
  await using at = await cluster()
  const { a, c, store } = at
  await at.pinned(12, 1, [a.id])
  const cids = await at.on(a.id, 'pinned')
  const id = mintId('pln')
  async function* pages() {
    yield cids.slice(0, 10).map((cid) => ({ cid, from: a.id, to: c.id, bytes: 256, reason: 'fuller' }))
  }
  await store.plans.savePlan({ id, actor: 'operator', summary: {} }, pages())
  assert.deepEqual(await at.move(), { applying: false, maintenance: false })
  await store.plans.setPlanState(id, 'applying', 'operator')
  // copies that finish quickly make room for more within one run
  assert.ok(Number((await at.move())['started']) >= 4)
  await store.plans.setPlanState(id, 'paused', 'operator')
  assert.partialDeepStrictEqual(await at.move(), { applying: false })
  await store.plans.setPlanState(id, 'applying', 'operator')
  await at.repaired(async () => {
    await at.move()
    return (await store.plans.plan(id)).state === 'applied'
  })
  assert.ok(at.askedFor.length > 1 && Math.max(...at.askedFor) <= 4, String(at.askedFor))
  assert.deepEqual([(await at.on(c.id, 'pinned')).length, (await at.on(a.id, 'pinned')).length], [10, 2])
  assert.deepEqual([c.ipfs.standing.size, a.ipfs.standing.size], [10, 2])
})

test("maintenance ends at its time by the database's clock, with a line in the audit; old denials and plans are pruned", async () => {
  await using at = await cluster()
  const { store, epoch } = at
  const told: (string | null)[] = []
  const mirror = (now: { reason: string } | null) => void told.push(now?.reason ?? null)
  const dog = watchdog({ store: store.operator, maxMs: 3_600_000, mirror, clock, log })
  await store.operator.setMaintenance({ reason: 'switches', ttlMs: 300 }, 'operator')
  assert.partialDeepStrictEqual(await dog.run({ epoch, signal }), { on: true, overdue: false })
  await at.until(async () => (await dog.run({ epoch, signal }))['ended'] === true)
  assert.deepEqual(told, ['switches', null])
  assert.equal(await store.operator.maintenance(), null)
  const audit = await store.operator.audit({ limit: 10 })
  assert.ok(audit.some(({ action, actor: who }) => action === 'maintenance.end' && who === 'watchdog'))
  const { operator, plans, tokens, sessions } = store
  const worker = prune({ store: operator, plans, tokens, sessions, audit: store.audit, auditMonths: 3 })
  const nothing = { deniedTokens: 0, tokens: 0, retiredKeys: 0, sessions: 0, plans: 0 }
  assert.deepEqual(await worker.run({ epoch, signal }), { ...nothing, auditMonths: 0, auditLines: 0 })
})

/** The garbage collector of a node that is above its high-water mark. */
function collectorOf(store: Store, node: Awaited<ReturnType<typeof atWork>>) {
  const { identity, ipfs, intake, worker } = node
  return collectGarbage({
    identity,
    store: store.garbage,
    isRestored: async () => false,
    ipfs: {
      repoStat: async () => ({ usedBytes: 95, capacityBytes: 100 }),
      collectGarbage: (stop) => ipfs.collectGarbage(stop),
    },
    intake,
    underWay: () => worker.underWay(),
    release: () => worker.release(),
    requeueMissing: missingPins(reconcilePartsOf(store, node)),
    highWater: 0.9,
    clock,
    log,
  })
}

function reconcilePartsOf(store: Store, { identity, ipfs, worker }: Awaited<ReturnType<typeof atWork>>) {
  return {
    identity,
    store: store.reconcile,
    restore: notRestored,
    ipfs,
    log,
    offer: (jobs: Job[]) => worker.offer(jobs),
    isBusy: (cid: string) => worker.isBusy(cid),
  }
}

test('the cluster collects garbage on one node at a time, and never half-fetched content', async () => {
  await using at = await cluster()
  const { a, b, store } = at
  const collector = (node: typeof a) => collectorOf(store, node)
  assert.equal(await store.garbage.takeTurn(b.identity, 60_000), true)
  assert.partialDeepStrictEqual(await collector(a).run({ signal }), { anothersTurn: true })
  await store.garbage.endTurn(a.identity)
  assert.equal(await store.garbage.takeTurn(a.identity, 60_000), false, "another's turn is not ended")
  assert.equal(await store.garbage.takeTurn(b.identity, 1), true, 'kept')
  await at.until(() => store.garbage.takeTurn(a.identity, 60_000))
  assert.partialDeepStrictEqual(await collector(a).run({ signal }), { collected: true })
  assert.equal(a.ipfs.collections(), 1)

  a.ipfs.offer('c0000', { blocks: 4, bytes: 400 })
  a.ipfs.fault('c0000', { kind: 'slow', everyMs: 1_000 })
  const pinning = at.pinned(1, 1, [a.id])
  await at.until(async () => a.ipfs.underWay() === 1)
  await sleep(1_200)
  await a.stop()
  assert.equal(
    await store.garbage.hasHalfFetched(a.identity),
    true,
    'handed back with the bytes that arrived',
  )
  assert.partialDeepStrictEqual(await collector(a).run({ signal }), { halfFetched: true })
  pinning.catch(() => {})
  const again = await store.nodes.boot('a')
  await store.operator.drain(a.id, 'operator')
  await at.repaired(async () => !(await store.garbage.hasHalfFetched(again)))
  await pinning
})

test('content that lost its pin, foreign or ours, is pinned by us before garbage is collected, and keeps its blocks', async () => {
  await using at = await cluster()
  const { a, b, c, store } = at
  // no other node can have the content
  for (const { id } of [b, c]) await store.operator.drain(id, 'operator')
  for (const cid of ['c0000', 'c0001']) a.ipfs.offer(cid, { blocks: 2, bytes: 200 })
  a.ipfs.pinByHand('c0000', 'somebody')
  await at.pinned(2, 1, [a.id])
  assert.equal(await a.ipfs.pinned('c0000', signal), 'foreign')
  for (const cid of ['c0000', 'c0001']) a.ipfs.unpinByHand(cid)
  const collector = collectorOf(store, a)
  assert.partialDeepStrictEqual(await collector.run({ signal }), { missing: 2 })
  assert.equal(a.ipfs.collections(), 0)
  await at.until(async () => (await collector.run({ signal }))['collected'] === true)
  assert.deepEqual(await Promise.all(['c0000', 'c0001'].map((cid) => a.ipfs.pinned(cid, signal))), [
    'ours',
    'ours',
  ])
  assert.equal(a.ipfs.fetchedBytes(), 0, 'no block was fetched')
})

test('a foreign pin is not a copy: another node gets one, and the foreign pin stays as it is', async () => {
  await using at = await cluster()
  const { a, b, c, store } = at
  a.ipfs.pinByHand('c0000', 'somebody')
  await at.pinned(1, 1, [a.id])
  await at.repaired(async () => (await at.on(a.id, 'pinned', 'unpinning')).length === 0)
  const copies = await Promise.all([b, c].map(({ id }) => at.on(id, 'pinned')))
  assert.deepEqual(copies.flat(), ['c0000'])
  assert.equal(await a.ipfs.pinned('c0000', signal), 'foreign')
  assert.deepEqual(await store.repair.unsettled('', 1), [])
  assert.equal(await at.count('pinned'), 1)
})

test('a foreign pin counts as a copy while no other node can have one', async () => {
  await using at = await cluster()
  const { a, b, c, store } = at
  for (const { id } of [b, c]) await store.operator.drain(id, 'operator')
  a.ipfs.pinByHand('c0000', 'somebody')
  await at.pinned(1, 1, [a.id])
  await at.run()
  assert.deepEqual(await at.on(a.id, 'pinned'), ['c0000'])
  assert.deepEqual(await store.repair.unsettled('', 1), [])
})

test('a reconciler that found too many pins to remove continues once an operator has confirmed', async () => {
  await using at = await cluster()
  const { a, store } = at
  const reconciler = reconcile(reconcilePartsOf(store, a))
  for (let index = 0; index < 120; index++) a.ipfs.pinByHand(`x${index}`, 'anchorage')
  await reconciler.run({ signal })
  assert.partialDeepStrictEqual(await reconciler.run({ signal }), { blocked: true, unwanted: 120 })
  assert.equal(await store.reconcile.isConfirmed(a.identity, 60_000), false)
  await store.operator.confirmReconcile(a.id, 'operator')
  assert.equal(await store.reconcile.isConfirmed(a.identity, 60_000), true)
  assert.partialDeepStrictEqual(await reconciler.run({ signal }), { blocked: false, removed: 120 })
  assert.equal(await store.reconcile.isConfirmed(a.identity, 60_000), false, 'used up')
  await at.until(async () => a.ipfs.standing.size === 0)
})
