import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import pg from 'pg'
import { until } from '../../testing/settle.ts'
import type { Epoch } from '../core/epoch.ts'
import { isCode } from '../core/errors.ts'
import { mintId, uuidOf, type NodeId, type OrgId, type PinId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import { leaveAsSeen } from '../core/plan-repair.ts'
import type { NewPin, Pin } from '../core/pin.ts'
import type { Job, Outcome } from '../core/placement.ts'
import type { ContentCopies, Repair } from '../core/repair.ts'
import { fakeReport } from '../../testing/fakes/node.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'

const actor = mintId('tok')
const { database, store, system } = await testStore()
let org: OrgId
let other: OrgId
let epoch: Epoch
/** New nodes for each test. */
let a: NodeIdentity
let b: NodeIdentity
let c: NodeIdentity
let round = 0

before(async () => {
  await store.nodes.assertReady()
  org = (await store.orgDirectory.createOrg('ours', {}, 'operator')).id
  other = (await store.orgDirectory.createOrg('theirs', {}, 'operator')).id
  epoch = await nextEpoch(store)
})
beforeEach(async () => {
  round++
  a = await store.nodes.boot(`a-${round}`, 'west')
  b = await store.nodes.boot(`b-${round}`, 'east')
  c = await store.nodes.boot(`c-${round}`)
})

test('a draining node gives up its copy once another is pinned, each step is audited, and uncordon does not move it back', async () => {
  const pin = await pinned('drained', a)
  await store.operator.drain(a.nodeId, 'token:op')
  await store.operator.drain(a.nodeId, 'token:op')
  assert.equal((await store.operator.node(a.nodeId)).state, 'draining')
  assert.deepEqual(await walkOf(a), '')
  assert.deepEqual(
    (await store.repair.onNode(a.nodeId, '', 10)).map((content) => content.cid),
    ['drained'],
  )

  const first = await repair('drained', { add: [{ nodeId: b.nodeId, reason: 'drain' }], settled: false })
  assert.deepEqual(first, { added: 1, dropped: 0, stale: 0, jobs: first.jobs })
  assert.deepEqual(
    first.jobs.map((job) => [job.nodeId, job.orgId]),
    [[b.nodeId, null]],
  )
  assert.deepEqual(await store.repair.moving(), { copies: 1, bytes: 10 })
  const progress = { left: 1, moving: 1, waiting: 0, removing: 0, bytesLeft: 10 }
  assert.deepEqual(await store.operator.drainProgress(a.nodeId), progress)
  // the only pinned copy is not dropped, whatever was decided
  const early = await repair('drained', { drop: [{ nodeId: a.nodeId, reason: 'drain' }] })
  assert.equal(early.stale, 1)
  assert.equal((await store.pins.getPin(org, pin)).status, 'pinned')
  assert.deepEqual(await store.repair.noteDrained(epoch), [])

  await store.repair.advanceWalk(epoch, a.nodeId, null)
  await work(b, 'drained')
  assert.ok((await unsettled()).includes('drained'))
  const second = await repair('drained', { drop: [{ nodeId: a.nodeId, reason: 'drain' }] })
  assert.equal(second.dropped, 1)
  const removing = { left: 1, moving: 0, waiting: 0, removing: 1, bytesLeft: 0 }
  assert.deepEqual(await store.operator.drainProgress(a.nodeId), removing)
  assert.ok(!(await unsettled()).includes('drained'))
  await work(a, 'drained', { kind: 'unpinned' })
  assert.deepEqual(await store.repair.noteDrained(epoch), [a.nodeId])
  assert.deepEqual(await store.repair.noteDrained(epoch), [])
  assert.equal((await store.operator.node(a.nodeId)).state, 'drained')
  assert.equal((await store.pins.getPin(org, pin)).status, 'pinned')

  await store.operator.uncordon(a.nodeId, 'token:op')
  await store.operator.uncordon(a.nodeId, 'token:op')
  assert.equal((await store.operator.node(`a-${round}`)).state, 'active')
  assert.deepEqual(await copies('drained'), [[b.nodeId, 'pinned']])
  const audited = (await store.operator.audit({ limit: 6 })).map((e) => [
    e.action,
    e.target,
    e.actor,
    e.details,
  ])
  assert.deepEqual(audited, [
    ['node.uncordon', a.nodeId, 'token:op', null],
    ['node.drained', a.nodeId, 'repair', null],
    ['placement.drop', 'drained', 'repair', { node: a.nodeId, reason: 'drain' }],
    ['placement.add', 'drained', 'repair', { node: b.nodeId, reason: 'drain' }],
    ['node.drain', a.nodeId, 'token:op', null],
    ['pin.create', pin, actor, { cid: 'drained' }],
  ])
})

test('an accept that chose a node before it was closed adds nothing there and marks the content for repair', async () => {
  await store.operator.drain(a.nodeId, 'op')
  const id = await accept('closed', { nodes: [a.nodeId] })
  assert.deepEqual(await copies('closed'), [])
  assert.equal((await store.pins.getPin(org, id)).status, 'queued')
  assert.ok((await unsettled()).includes('closed'))
  assert.equal((await repair('closed', { add: [{ nodeId: a.nodeId, reason: 'repair' }] })).stale, 1)
  assert.equal((await repair('closed', { add: [{ nodeId: b.nodeId, reason: 'repair' }] })).added, 1)
  await work(b, 'closed')
  assert.equal((await store.pins.getPin(org, id)).status, 'pinned')
})

test('a drain waits for accepts under way, so that it sees all placements that they add to the node', async () => {
  const tenant = new pg.Client({ connectionString: database.tenantUrl })
  await tenant.connect()
  try {
    await tenant.query('begin')
    await tenant.query(`select set_config('anchorage.org_id', $1, true)`, [uuidOf(org)])
    await tenant.query('select want_contents($1, 1)', [
      JSON.stringify([{ cid: 'under-way', nodes: [uuidOf(a.nodeId)] }]),
    ])
    const draining = store.operator.drain(a.nodeId, 'op')
    assert.equal(await Promise.race([draining, waiting()]), 'waiting')
    await tenant.query('commit')
    await draining
    assert.equal((await store.repair.onNode(a.nodeId, '', 10)).length, 1)
  } finally {
    await tenant.end()
  }

  /** Resolves once the drain waits for its lock. */
  async function waiting(): Promise<'waiting'> {
    for (;;) {
      const { rows } = await system.query(
        `select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())`,
      )
      if (rows.length > 0) return 'waiting'
    }
  }
})

test('lost copies do not count until they are found again; a pin without any copy left is queued', async () => {
  const one = await pinned('lost', a)
  await store.repair.noteDown(epoch, a.nodeId, true)
  assert.ok((await store.repair.downNodes()).includes(a.nodeId))
  assert.equal(await walkOf(a), '')
  assert.equal((await repair('lost', { lose: [a.nodeId], settled: false })).stale, 0)
  assert.equal((await store.pins.getPin(org, one)).status, 'queued')
  const [content] = await store.repair.onNode(a.nodeId, '', 1)
  assert.equal(content?.copies[0]?.lost, true)

  // a new pin gets a copy of its own
  const two = await accept('lost', { nodes: [b.nodeId, a.nodeId] }, other)
  assert.equal((await store.pins.getPin(other, two)).status, 'queued')
  assert.deepEqual(await copies('lost'), [
    [a.nodeId, 'pinned'],
    [b.nodeId, 'queued'],
  ])
  const [claim] = await claims(b, 'lost')
  assert.ok(claim)
  await finish(b, 'lost', claim.generation)
  assert.equal((await store.pins.getPin(org, one)).status, 'pinned')

  await store.repair.noteDown(epoch, a.nodeId, false)
  await repair('lost', { find: [a.nodeId], settled: false })
  assert.equal((await repair('lost', { drop: [{ nodeId: b.nodeId, reason: 'surplus' }] })).dropped, 1)
  assert.equal((await store.pins.getPin(other, two)).status, 'pinned')
})

test('a claim lists the nodes with a copy of the content, lost copies last', async () => {
  await pinned('held', a)
  await pinnedAlso('held', b)
  for (const [node, address] of [
    [a, '/ip4/127.0.0.1/tcp/1/p2p/a'],
    [b, '/ip4/127.0.0.1/tcp/1/p2p/b'],
  ] as const)
    await store.nodes.bindKubo(node, { peerId: `${address}-${round}`, multiaddrs: [address] })
  await repair('held', { lose: [a.nodeId], add: [{ nodeId: c.nodeId, reason: 'node_down' }], settled: false })
  const [claim] = await claims(c, 'held')
  assert.deepEqual(claim?.holders, ['/ip4/127.0.0.1/tcp/1/p2p/b', '/ip4/127.0.0.1/tcp/1/p2p/a'])
})

test('a repair that saw other copies than there are now changes nothing, and the content stays to be repaired', async () => {
  await pinned('stale', a)
  const seen = await look('stale')
  await pinnedAlso('stale', b)
  const late = repairOf(seen, { add: [{ nodeId: c.nodeId, reason: 'repair' }] })
  assert.deepEqual(await store.repair.apply(epoch, [late, repairOf(seen, {})]), {
    jobs: [],
    added: 0,
    dropped: 0,
    stale: 2,
  })
  assert.deepEqual(await copies('stale'), [
    [a.nodeId, 'pinned'],
    [b.nodeId, 'pinned'],
  ])
  assert.ok((await unsettled()).includes('stale'))
})

test('a repair pins a copy again that is being unpinned, and tries a failed copy again', async () => {
  await pinned('woken', a)
  await pinnedAlso('woken', b)
  await repair('woken', { drop: [{ nodeId: b.nodeId, reason: 'surplus' }] })
  const [unpin] = await claims(b, 'woken')
  assert.equal(unpin?.work, 'unpin')
  const { jobs } = await repair('woken', { add: [{ nodeId: b.nodeId, reason: 'repair' }], settled: false })
  assert.equal(jobs.length, 1)
  assert.deepEqual(await claims(b, 'woken'), [])
  await finish(b, 'woken', unpin?.generation ?? 0, { kind: 'unpinned' })
  const [pin] = await claims(b, 'woken')
  assert.deepEqual([pin?.work, pin?.verify, pin?.attempt], ['pin', true, 1])
  await finish(b, 'woken', pin?.generation ?? 0, { kind: 'failed', errorCode: 'node_full', error: 'full' })
  assert.ok((await unsettled()).includes('woken'))
  await repair('woken', { add: [{ nodeId: b.nodeId, reason: 'repair' }], settled: false })
  await work(b, 'woken')
})

test('two leaders: no call of the older epoch changes anything', async () => {
  await pinned('fenced', a)
  const seen = await look('fenced')
  const old = epoch
  epoch = await nextEpoch(store)
  const add = repairOf(seen, { add: [{ nodeId: b.nodeId, reason: 'repair' }] })
  const calls: (() => Promise<unknown>)[] = [
    () => store.repair.apply(old, [add]),
    () => store.repair.noteDown(old, a.nodeId, true),
    () => store.repair.noteDrained(old),
    () => store.repair.noteAway(old, a.nodeId, { what: 'silent', forMs: 0, reason: 'test' }),
    () => store.repair.advanceWalk(old, a.nodeId, 'x'),
    () => store.operator.endMaintenance(old),
    () => store.sweep.releaseDue(old, 1),
    () => store.sweep.finishFolds(old, 1),
  ]
  for (const call of calls) await assert.rejects(call(), (error) => isCode(error, 'not_leading'))
  assert.deepEqual(await copies('fenced'), [[a.nodeId, 'pinned']])
  assert.equal((await store.repair.apply(epoch, [add])).added, 1)
  // the same repair again finds other copies than it saw
  assert.equal((await store.repair.apply(epoch, [add])).stale, 1)
})

test('two leaders, one paused in the middle of a write: the next epoch waits for that write, and the old leader is refused the next', async () => {
  await pinned('paused', a)
  const add = repairOf(await look('paused'), { add: [{ nodeId: b.nodeId, reason: 'repair' }] })
  const old = epoch
  // The old leader's transaction has checked its epoch, and waits here for the content until the test lets it continue.
  const lock = new pg.Client({ connectionString: database.systemUrl })
  await lock.connect()
  try {
    await lock.query('begin')
    await lock.query(`select from contents where cid = 'paused' for update`)
    const { rows } = await lock.query<{ pid: number }>('select pg_backend_pid() as pid')
    const midWrite = store.repair.apply(old, [add])
    await until('the old leader waits for the content', () => waitingFor(rows[0]?.pid))
    let next: Epoch | null = null
    const taking = nextEpoch(store).then((taken) => (next = taken))
    await until('the new leader waits for the old one', async () => (await waiting()) >= 2)
    assert.equal(next, null, 'an epoch began while a write of the one before was under way')
    await lock.query('commit')
    // It began under a valid epoch, and commits before the next one begins.
    assert.equal((await midWrite).added, 1)
    epoch = await taking
  } finally {
    await lock.end()
  }
  const drop = {
    ...leaveAsSeen(await look('paused')),
    drop: [{ nodeId: a.nodeId, reason: 'drain' as const }],
  }
  await assert.rejects(store.repair.apply(old, [drop]), (error) => isCode(error, 'not_leading'))
  assert.deepEqual(await copies('paused'), [
    [a.nodeId, 'pinned'],
    [b.nodeId, 'queued'],
  ])
})

test('in maintenance repair and sweep change nothing, accepts continue, and the watchdog may end it', async () => {
  await pinned('resting', a)
  assert.equal(await store.operator.maintenance(), null)
  const on = await store.operator.setMaintenance({ reason: 'new disks', ttlMs: 60_000 }, 'op')
  assert.deepEqual([on?.reason, on?.actor], ['new disks', 'op'])
  assert.equal((on?.until?.getTime() ?? 0) - (on?.since.getTime() ?? 0) >= 59_000, true)
  const seen = await look('resting')
  const add = repairOf(seen, { add: [{ nodeId: b.nodeId, reason: 'repair' }] })
  for (const call of [
    () => store.repair.apply(epoch, [add]),
    () => store.repair.noteDown(epoch, a.nodeId, true),
    () => store.sweep.releaseDue(epoch, 1),
    () => store.sweep.finishFolds(epoch, 1),
  ])
    await assert.rejects(call(), (error) => isCode(error, 'maintenance') && /new disks/.test(error.message))
  await accept('in-maintenance', { nodes: [b.nodeId] })
  assert.equal(await store.operator.endMaintenance(epoch), false)
  await store.operator.setMaintenance({ reason: 'short', ttlMs: 0 }, 'op')
  assert.equal(await store.operator.endMaintenance(epoch), true)
  assert.equal(await store.operator.endMaintenance(epoch), false)
  await store.operator.setMaintenance({ reason: 'long', ttlMs: null }, 'op')
  assert.equal((await store.operator.maintenance())?.until, null)
  assert.equal(await store.operator.setMaintenance(null, 'op'), null)
  assert.deepEqual(
    (await store.operator.audit({ limit: 5 })).map((entry) => entry.action),
    ['maintenance.off', 'maintenance.on', 'maintenance.end', 'maintenance.on', 'pin.create'],
  )
  assert.equal((await store.repair.apply(epoch, [add])).added, 1)
})

test('with fewer nodes than replicas the content is accepted and repaired later; a delete lowers the number of copies wanted', async () => {
  const three = await accept('wide', { replicas: 3, nodes: [a.nodeId, b.nodeId] })
  assert.equal((await copies('wide')).length, 2)
  assert.ok((await unsettled()).includes('wide'))
  await repair('wide', { add: [{ nodeId: c.nodeId, reason: 'repair' }] })
  assert.ok(!(await unsettled()).includes('wide'))
  await work(a, 'wide')
  await work(b, 'wide')
  assert.equal((await store.pins.getPin(org, three)).status, 'queued')
  await work(c, 'wide')
  assert.equal((await store.pins.getPin(org, three)).status, 'pinned')

  const two = await accept('wide', { replicas: 2 }, other)
  assert.equal((await store.pins.getPin(other, two)).status, 'pinned')
  await settle('wide')
  await store.pins.removePin(org, three, actor)
  assert.deepEqual([(await look('wide')).wanted, (await unsettled()).includes('wide')], [2, true])
  const drop = (nodeId: NodeId) => ({ drop: [{ nodeId, reason: 'surplus' as const }] })
  assert.equal((await repair('wide', drop(a.nodeId))).dropped, 1)
  assert.equal((await repair('wide', drop(b.nodeId))).stale, 1)
  // the same content again for one replica
  await store.pins.replacePin(other, two, newPin('wide', { replicas: 1 }), false)
  assert.equal((await look('wide')).wanted, 1)
  assert.equal((await repair('wide', drop(b.nodeId))).dropped, 1)
})

test('content that no pin wanted for a while gets as many copies as its new pin says', async () => {
  const id = await accept('again', { replicas: 2, nodes: [a.nodeId, b.nodeId] })
  await work(a, 'again')
  await work(b, 'again')
  await store.pins.removePin(org, id, actor)
  assert.equal((await look('again')).wanted, 0)
  const back = await accept('again', { replicas: 1, nodes: [a.nodeId] })
  assert.equal((await look('again')).wanted, 1)
  assert.equal((await store.pins.getPin(org, back)).status, 'pinned')
  assert.ok((await unsettled()).includes('again'))
})

test('hints are repeated to nodes that take them, and work that waits on other nodes does not hold them up', async () => {
  await accept('hinted', { nodes: [a.nodeId] })
  await accept('silent', { nodes: [b.nodeId] })
  await accept('drains', { nodes: [c.nodeId] })
  await silence(b)
  await store.operator.drain(c.nodeId, 'op')
  const hinted = (await store.sweep.lostHints(0, 1_000)).map((job) => job.cid)
  assert.ok(hinted.includes('hinted'))
  assert.ok(!hinted.includes('silent') && !hinted.includes('drains'))
})

test('a walk that missed content of a draining node begins again', async () => {
  await pinned('missed', a)
  await store.operator.drain(a.nodeId, 'op')
  await store.repair.advanceWalk(epoch, a.nodeId, 'zzz')
  await store.repair.noteDrained(epoch)
  assert.equal(await walkOf(a), 'zzz')
  await store.repair.advanceWalk(epoch, a.nodeId, null)
  await store.repair.noteDrained(epoch)
  assert.equal(await walkOf(a), '')
  // content that is marked needs no walk
  await system.query(`update contents set unsettled = true where cid = 'missed'`)
  await store.repair.advanceWalk(epoch, a.nodeId, null)
  await store.repair.noteDrained(epoch)
  assert.equal(await walkOf(a), undefined)
})

test('a draining node of many placements to be unpinned costs repair a bounded read, and content behind them is still found', async () => {
  await pinned('zzz-behind', a)
  await system.query(
    `insert into contents (cid, wanted) select 'behind-' || i, 1 from generate_series(1, 2500) i`,
  )
  await system.query(
    `insert into placements (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at)
     select 'behind-' || i, $1, nextval('placement_generation'), 'unpinning', 'new', $2, now(), now() from generate_series(1, 2500) i`,
    [uuidOf(a.nodeId), uuidOf(org)],
  )
  await store.operator.drain(a.nodeId, 'op')
  await store.repair.advanceWalk(epoch, a.nodeId, null)
  let calls = 0
  for (; (await walkOf(a)) === undefined; calls++) await store.repair.noteDrained(epoch)
  assert.equal(calls, 3, 'each call reads a thousand placements')
  const progress = { left: 2501, moving: 0, waiting: 1, removing: 2500, bytesLeft: 10 }
  assert.deepEqual(await store.operator.drainProgress(a.nodeId), progress)
  await system.query('delete from placements where node_id = $1', [uuidOf(a.nodeId)])
})

test('copies that were given to a node which is silent now hold up no others', async () => {
  await pinned('held-up', a)
  const before = (await store.repair.moving()).copies
  await repair('held-up', { add: [{ nodeId: b.nodeId, reason: 'repair' }] })
  assert.equal((await store.repair.moving()).copies, before + 1)
  await silence(b)
  assert.equal((await store.repair.moving()).copies, before)
})

test('only the newest incarnation of a node sets its zone, route and report', async () => {
  const report = fakeReport()
  await store.nodes.setRoute(a, '10.0.0.1:6222')
  await store.nodes.see(a, { usedBytes: 1, capacityBytes: 2, report })
  await store.nodes.see(a, { usedBytes: 3, capacityBytes: null })
  const again = await store.nodes.boot(`a-${round}`, 'north')
  await store.nodes.setRoute(a, 'old')
  const mine = (await store.operator.reports()).find(({ node }) => node.id === again.nodeId)
  assert.deepEqual(mine?.report, report)
  assert.ok(mine.reportedAt)
  assert.deepEqual([mine.node.zone, mine.node.usedBytes, mine.node.capacityBytes], ['north', 3, 2])
  assert.deepEqual(
    (await store.nodes.routes())
      .filter(({ nodeId }) => nodeId === a.nodeId)
      .map(({ name, route, served }) => [name, route, served]),
    [[`a-${round}`, '10.0.0.1:6222', true]],
  )
})

test('the audit is read newest first, and followed from a cursor without missing lines that commit late', async () => {
  const [newest] = await store.operator.audit({ limit: 1 })
  assert.ok(newest)
  await store.operator.drain(c.nodeId, 'op')
  await store.operator.uncordon(c.nodeId, 'op')
  const actions = async () =>
    (await store.operator.audit({ limit: 10, after: newest })).map((entry) => [entry.action, entry.target])
  assert.deepEqual(await actions(), [])
  await until('both are read', async () => (await actions()).length >= 2)
  assert.deepEqual(await actions(), [
    ['node.drain', c.nodeId],
    ['node.uncordon', c.nodeId],
  ])
  const ours = await store.operator.audit({ limit: 1000, orgId: org })
  assert.ok(ours.length > 0 && ours.every((entry) => entry.orgId === org))
})

test('tokens that have expired are pruned from the denylist', async () => {
  const over = uuidOf(mintId('tok'))
  const live = uuidOf(mintId('tok'))
  await system.query(
    `insert into token_denylist values ($1, now() - interval '1 s'), ($2, now() + interval '1 day')`,
    [over, live],
  )
  assert.equal(await store.operator.pruneDenylist(), 1)
  assert.deepEqual((await system.query('select jti from token_denylist')).rows, [{ jti: live }])
})

test('the confirmation of an operator lets a reconciler continue once', async () => {
  await store.operator.confirmReconcile(a.nodeId, 'op')
  assert.equal(await store.reconcile.takeConfirmation(a, 60_000), true)
  assert.equal(await store.reconcile.takeConfirmation(a, 60_000), false)
  await assert.rejects(store.operator.confirmReconcile(mintId('nod'), 'op'), (e) => isCode(e, 'not_found'))
})

function newPin(cid: string, more: Partial<NewPin> = {}): NewPin {
  return { id: mintId('pin'), cid, cidText: cid, replicas: 1, actor, nodes: [a.nodeId], ...more }
}

async function accept(cid: string, more: Partial<NewPin> = {}, of: OrgId = org): Promise<PinId> {
  const [accepted] = await store.pins.acceptPins(of, [newPin(cid, more)], false)
  assert.ok(accepted && 'pin' in accepted)
  const pin: Pin = accepted.pin
  return pin.id
}

/** A pin whose only copy is pinned on `node`. */
async function pinned(cid: string, node: NodeIdentity): Promise<PinId> {
  const id = await accept(cid, { nodes: [node.nodeId] })
  await work(node, cid)
  return id
}

/** One more copy than is wanted. */
async function pinnedAlso(cid: string, node: NodeIdentity): Promise<void> {
  await repair(cid, { add: [{ nodeId: node.nodeId, reason: 'repair' }] })
  await work(node, cid)
}

async function claims(node: NodeIdentity, cid: string) {
  const due = await store.placements.due(node, 1_000, 1_000)
  return store.placements.claim(
    node,
    due.filter((job: Job) => job.cid === cid),
    30_000,
  )
}

async function finish(
  node: NodeIdentity,
  cid: string,
  generation: number,
  outcome: Outcome = { kind: 'pinned', blocks: 1, bytes: 10, foreignPin: false },
): Promise<void> {
  await store.placements.finish(node, [{ cid, generation, outcome }])
}

async function work(node: NodeIdentity, cid: string, outcome?: Outcome): Promise<void> {
  const [claim] = await claims(node, cid)
  assert.ok(claim, `nothing to claim of ${cid}`)
  await finish(node, cid, claim.generation, outcome)
}

/** The content as repair sees it, marked or not. */
async function look(cid: string): Promise<ContentCopies> {
  const { rows } = await system.query('select unsettled from contents where cid = $1', [cid])
  await system.query('update contents set unsettled = true where cid = $1', [cid])
  const found = (await store.repair.unsettled('', 1_000)).find((content) => content.cid === cid)
  await system.query('update contents set unsettled = $2 where cid = $1', [cid, rows[0]?.unsettled])
  assert.ok(found, `there is no content ${cid}`)
  return found
}

function repairOf(content: ContentCopies, more: Partial<Repair>): Repair {
  return { ...leaveAsSeen(content), ...more }
}

/** Applies a repair to the content as it is now. */
async function repair(cid: string, more: Partial<Repair>) {
  const content = await look(cid)
  return store.repair.apply(epoch, [repairOf(content, more)])
}

async function settle(cid: string): Promise<void> {
  await repair(cid, {})
}

/** Whether some session waits for a lock that `pid` holds. */
async function waitingFor(pid = 0): Promise<boolean> {
  const { rowCount } = await system.query(
    'select from pg_stat_activity where pg_blocking_pids(pid) @> array[$1::int]',
    [pid],
  )
  return rowCount === 1
}

/** How many sessions of this database wait for a lock. */
async function waiting(): Promise<number> {
  const { rows } = await system.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows[0]?.n ?? 0
}

async function unsettled(): Promise<string[]> {
  return (await store.repair.unsettled('', 1_000)).map((content) => content.cid)
}

async function copies(cid: string): Promise<[NodeId, string][]> {
  const content = await look(cid)
  const order = [a, b, c].map((node) => node.nodeId)
  return content.copies
    .map((copy): [NodeId, string] => [copy.nodeId, copy.state])
    .sort((x, y) => order.indexOf(x[0]) - order.indexOf(y[0]))
}

async function walkOf(node: NodeIdentity): Promise<string | undefined> {
  return (await store.repair.walks()).find((walk) => walk.nodeId === node.nodeId)?.afterCid
}

async function silence(node: NodeIdentity): Promise<void> {
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [
    uuidOf(node.nodeId),
  ])
}
