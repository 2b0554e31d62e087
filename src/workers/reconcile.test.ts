import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { RestoreStage } from '../core/marks.ts'
import type { Job, PlacementState } from '../core/placement.ts'
import type { Log, ReconcileStore } from '../core/ports.ts'
import { missingPins, reconcile } from './reconcile.ts'

const identity = { nodeId: mintId('nod'), incarnation: 1 }
const signal = new AbortController().signal

/** The placements and the Kubo of one node, and a reconciler between them. */
function world(setMax?: number) {
  const placements = new Map<string, PlacementState>()
  const pins = new Map<string, 'ours' | 'foreign'>()
  const offered: Job[] = []
  const alarms: string[] = []
  const log: Log = {
    debug() {},
    info() {},
    warn: (_fields, message) => void alarms.push(message),
    error: (_fields, message) => void alarms.push(message),
    child: () => log,
  }
  let listings = 0
  let questions = 0
  let confirmed = false
  let stage: RestoreStage = 'done'
  let othersCompared = true
  let follows = 0
  let isNew = false
  let listed: readonly string[] = []
  const busy = new Set<string>()
  /** Contents whose placements got their intent after the restore. */
  const newer = new Set<string>()
  let whileListing = () => {}

  const jobsOf = (cids: string[]): Job[] =>
    cids.map((cid) => ({ cid, nodeId: identity.nodeId, orgId: null, generation: 1, attempt: 1 }))
  const move = (cids: string[], from: PlacementState | undefined, to: PlacementState) => {
    assert.ok(cids.length <= 100, 'small transactions')
    const moved = cids.filter((cid) => placements.get(cid) === from)
    for (const cid of moved) placements.set(cid, to)
    return Promise.resolve(jobsOf(moved))
  }
  const store: ReconcileStore = {
    placementsOf: async (_node: NodeIdentity, cids) => {
      questions++
      assert.ok(cids.length <= 1_000)
      return cids.flatMap((cid) => {
        const state = placements.get(cid)
        return state === undefined ? [] : [{ cid, state, fromBefore: !newer.has(cid) }]
      })
    },
    walk: async (_node, after, limit) =>
      [...placements.keys()]
        .filter((cid) => (after === null || cid > after) && placements.get(cid) === 'pinned')
        .toSorted()
        .slice(0, limit),
    requeueMissing: (_node, cids) => move(cids, 'pinned', 'queued'),
    dropUnwanted: (_node, cids) => move(cids, undefined, 'unpinning'),
    noteUnwanted: async (_node, cids) => void (listed = cids),
    isConfirmed: async () => confirmed,
    takeConfirmation: async () => {
      const taken = confirmed
      confirmed = false
      return taken
    },
  }
  const ipfs = {
    async *pins() {
      listings++
      for (const [cid, whose] of pins) yield { cid, ours: whose === 'ours' }
      whileListing()
    },
    pinned: async (cid: string) => pins.get(cid) ?? null,
  }
  const parts = {
    identity,
    store,
    restore: {
      state: async () => ({ restoreId: stage === 'done' ? null : 'r1', stage }),
      async follow(empty: boolean) {
        if (empty && !isNew) return false
        follows++
        stage = 'done'
        return true
      },
      async compared(restoreId: string) {
        assert.equal(restoreId, 'r1')
        stage = othersCompared ? 'done' : 'waiting'
      },
    },
    ipfs,
    log,
    offer: (jobs: Job[]) => void offered.push(...jobs),
    isBusy: (cid: string) => busy.has(cid),
    random: () => 0.3,
  }
  const worker = reconcile(setMax === undefined ? parts : { ...parts, setMax })
  return {
    placements,
    pins,
    alarms,
    busy,
    newer,
    isNew: () => void (isNew = true),
    offered: () => offered.map(({ cid }) => cid).toSorted(),
    run: () => worker.run({ signal }),
    missing: () => missingPins(parts)(signal),
    during: (work: () => void) => (whileListing = work),
    counts: () => ({ listings, questions }),
    confirm() {
      confirmed = true
      if (stage === 'undecided') stage = 'comparing'
    },
    restore: () => void (stage = 'undecided'),
    stage: () => stage,
    /** Whether the other nodes have compared their placements with their Kubos. */
    others(compared: boolean) {
      othersCompared = compared
      if (compared && stage === 'waiting') stage = 'done'
    },
    follows: () => follows,
    listed: () => listed.toSorted(),
    pinned(n: number, name = 'c') {
      for (let index = 0; index < n; index++) {
        placements.set(`${name}${index}`, 'pinned')
        pins.set(`${name}${index}`, 'ours')
      }
    },
  }
}

test('nothing is done where Kubo and Postgres agree', async () => {
  const at = world()
  at.pinned(2_500)
  at.pins.set('theirs', 'foreign')
  at.placements.set('waits', 'queued')
  assert.deepEqual(await at.run(), {
    pins: 2_500,
    missing: 0,
    unwanted: 0,
    repaired: 0,
    removed: 0,
    blocked: false,
    restored: false,
  })
  assert.deepEqual(at.offered(), [])
  assert.deepEqual(at.counts(), { listings: 1, questions: 3 })
})

test('a pin that is missing in Kubo is queued again and offered to the worker', async () => {
  const at = world()
  at.pinned(1_500)
  at.pins.delete('c7')
  at.pins.delete('c1400')
  assert.partialDeepStrictEqual(await at.run(), { repaired: 2 })
  assert.deepEqual(at.offered(), ['c1400', 'c7'])
  assert.equal(at.placements.get('c7'), 'queued')
})

test('on a restored database nothing is changed either way, only reported, until an operator confirms', async () => {
  const at = world()
  at.pinned(200)
  at.pins.delete('c7')
  at.pins.set('newer than the backup', 'ours')
  at.restore()
  const told = { pins: 200, missing: 1, unwanted: 1, repaired: 0, removed: 0, blocked: true, restored: true }
  for (let run = 0; run < 3; run++) assert.deepEqual(await at.run(), told)
  assert.deepEqual(at.offered(), [])
  assert.equal(at.alarms.length, 3)
  at.confirm()
  assert.partialDeepStrictEqual(await at.run(), { repaired: 1, removed: 1, blocked: false })
  assert.deepEqual(at.offered(), ['c7', 'newer than the backup'])
})

test('on a restored database a pin that is to be unpinned is unwanted too, and all unwanted pins are listed until the decision', async () => {
  const at = world()
  at.pinned(3)
  at.placements.set('c1', 'unpinning')
  at.pins.set('newer than the backup', 'ours')
  at.restore()
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 2, blocked: true })
  assert.deepEqual(at.listed(), ['c1', 'newer than the backup'])
  at.confirm()
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 1, removed: 1, blocked: false })
  assert.deepEqual(at.listed(), [])
})

test('a restored database with which Kubo agrees twice in a row needs no decision', async () => {
  const at = world()
  at.pinned(3)
  at.pins.set('newer than the backup', 'ours')
  at.restore()
  await at.run()
  at.placements.set('newer than the backup', 'queued')
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 0, blocked: true })
  at.pins.delete('c1')
  assert.partialDeepStrictEqual(await at.run(), { missing: 1, blocked: true })
  at.pins.set('c1', 'ours')
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 0, missing: 0, blocked: true })
  assert.equal(at.follows(), 0)
  assert.partialDeepStrictEqual(await at.run(), { blocked: false })
  assert.equal(at.follows(), 1)
})

test('what is to be unpinned since the restore needs no decision', async () => {
  const at = world()
  at.pinned(3)
  at.placements.set('c1', 'unpinning')
  at.newer.add('c1')
  at.restore()
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 0, blocked: true })
  assert.partialDeepStrictEqual(await at.run(), { blocked: false })
})

test('a new node with an empty Kubo has nothing to decide about a restore', async () => {
  const at = world()
  at.restore()
  assert.partialDeepStrictEqual(await at.run(), { blocked: true }, 'it knows the cluster from before')
  at.isNew()
  assert.partialDeepStrictEqual(await at.run(), { blocked: false })
  assert.equal(at.follows(), 1)
  at.restore()
  at.placements.set('c1', 'pinned')
  assert.partialDeepStrictEqual(await at.run(), { missing: 1, blocked: true })
})

test('content without a placement that the pin worker still works on is a reason to wait for a decision', async () => {
  const at = world()
  at.pins.set('accepted, then lost', 'ours')
  at.busy.add('accepted, then lost')
  at.restore()
  for (let run = 0; run < 3; run++) assert.partialDeepStrictEqual(await at.run(), { blocked: true })
  assert.equal(at.follows(), 0)
})

test('after a decision a node queues again what is missing, and removes nothing until every other node has done so', async () => {
  const at = world()
  at.pinned(200)
  at.pins.delete('c7')
  at.pins.set('elsewhere by the database', 'ours')
  at.restore()
  at.others(false)
  await at.run()
  at.confirm()
  for (let run = 0; run < 3; run++)
    assert.partialDeepStrictEqual(await at.run(), {
      unwanted: 1,
      repaired: run === 0 ? 1 : 0,
      removed: 0,
      blocked: false,
      restored: true,
    })
  assert.deepEqual(at.offered(), ['c7'])
  assert.deepEqual(at.listed(), ['elsewhere by the database'])
  at.others(true)
  assert.partialDeepStrictEqual(await at.run(), { removed: 1, restored: false })
  assert.deepEqual(at.listed(), [])
})

test('a node that passed over missing content, since the pin worker works on it, has not compared its Kubo', async () => {
  const at = world()
  at.pinned(3)
  at.pins.delete('c1')
  at.busy.add('c1')
  at.restore()
  await at.run()
  at.confirm()
  assert.partialDeepStrictEqual(await at.run(), { repaired: 0, restored: true })
  assert.equal(at.stage(), 'comparing')
  at.busy.clear()
  assert.partialDeepStrictEqual(await at.run(), { repaired: 1, restored: false })
})

test('a node whose pin worker works on content that should be pinned has not compared its Kubo', async () => {
  const at = world()
  at.pinned(3)
  at.busy.add('c1')
  at.restore()
  at.confirm()
  assert.partialDeepStrictEqual(await at.run(), { repaired: 0, restored: true })
  assert.equal(at.stage(), 'comparing', 'it may be unpinning c1, for a claim of before')
  // the unpin ends after Kubo was listed
  at.during(() => {
    at.pins.delete('c1')
    at.busy.clear()
  })
  assert.partialDeepStrictEqual(await at.run(), { repaired: 1, restored: false })
  assert.deepEqual(at.offered(), ['c1'])
})

test('a node whose pin worker works on missing content does not follow a restored database by itself', async () => {
  const at = world()
  at.pinned(3)
  at.pins.delete('c1')
  at.busy.add('c1')
  at.restore()
  for (let run = 0; run < 3; run++) assert.partialDeepStrictEqual(await at.run(), { restored: true })
  assert.equal(at.follows(), 0)
})

test('a confirmation of many removals is kept while other nodes have not compared their Kubos', async () => {
  const at = world()
  for (let n = 0; n < 300; n++) at.pins.set(`n${n}`, 'ours')
  at.restore()
  at.others(false)
  await at.run()
  at.confirm()
  for (let run = 0; run < 2; run++)
    assert.partialDeepStrictEqual(await at.run(), { removed: 0, blocked: false })
  at.others(true)
  assert.partialDeepStrictEqual(await at.run(), { removed: 300, blocked: false })
})

test('a database that goes back while Kubo is listed is noticed before anything is removed', async () => {
  const at = world()
  at.pins.set('left over', 'ours')
  await at.run()
  at.during(() => at.restore())
  assert.partialDeepStrictEqual(await at.run(), { removed: 0, blocked: true, restored: true })
  assert.deepEqual(at.offered(), [])
})

test('too many removals after a restore need only one confirmation, because they were reported', async () => {
  const at = world()
  for (let n = 0; n < 300; n++) at.pins.set(`n${n}`, 'ours')
  at.restore()
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 300, blocked: true })
  at.confirm()
  assert.partialDeepStrictEqual(await at.run(), { removed: 300, blocked: false })
})

test('a Kubo that lost everything gets everything again', async () => {
  const at = world()
  at.pinned(3_210)
  at.pins.clear()
  assert.partialDeepStrictEqual(await at.run(), { pins: 0, repaired: 3_210, blocked: false })
})

test('content that is pinned while Kubo is listed does not count as missing', async () => {
  const at = world()
  at.pinned(10)
  at.during(() => at.pinned(20))
  assert.partialDeepStrictEqual(await at.run(), { repaired: 0 })
})

test('a foreign pin is enough for a placement that is pinned', async () => {
  const at = world()
  at.placements.set('c1', 'pinned')
  at.pins.set('c1', 'foreign')
  assert.partialDeepStrictEqual(await at.run(), { pins: 0, repaired: 0, unwanted: 0 })
})

test('looking for missing pins alone queues them again and removes nothing; on a restored database it only counts them', async () => {
  const at = world()
  at.pinned(3)
  at.pins.delete('c1')
  at.pins.set('left over', 'ours')
  for (let runs = 0; runs < 3; runs++) assert.equal(await at.missing(), runs === 0 ? 1 : 0)
  assert.equal(at.placements.get('c1'), 'queued')
  assert.ok(!at.placements.has('left over'))
  at.restore()
  at.pins.delete('c2')
  for (let runs = 0; runs < 2; runs++) assert.equal(await at.missing(), 1)
  assert.equal(at.placements.get('c2'), 'pinned')
})

test('a pin of ours that no placement wants is removed only after two runs, and a foreign pin never', async () => {
  const at = world()
  at.pinned(200)
  at.pins.set('left over', 'ours')
  at.pins.set('theirs', 'foreign')
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 1, removed: 0 })
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 1, removed: 1 })
  assert.equal(at.placements.get('left over'), 'unpinning')
  assert.deepEqual(at.offered(), ['left over'])
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 0, removed: 0 })
  assert.ok(!at.placements.has('theirs'))
})

test('a pin that is unwanted, wanted, and unwanted again was not unwanted twice in a row', async () => {
  const at = world()
  at.pins.set('c1', 'ours')
  await at.run()
  at.placements.set('c1', 'pinned')
  await at.run()
  at.placements.delete('c1')
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 1, removed: 0 })
})

test('pins with a placement in any other state stay', async () => {
  const at = world()
  for (const state of ['queued', 'pinning', 'failed', 'unpinning'] as const) {
    at.placements.set(state, state)
    at.pins.set(state, 'ours')
  }
  await at.run()
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 0, removed: 0, repaired: 0 })
})

test('too many unwanted pins look like a wrong database: none is removed, the report says so, and repair continues', async () => {
  const at = world()
  at.pinned(5_000)
  for (let index = 0; index < 101; index++) at.pins.set(`x${index}`, 'ours')
  at.pins.delete('c3')
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 101, removed: 0, blocked: true, repaired: 1 })
  assert.partialDeepStrictEqual(await at.run(), { removed: 0, blocked: true })
  assert.equal(at.listed().length, 101)
  assert.equal(at.alarms.length, 2)
  at.pins.delete('x100')
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 100, removed: 100, blocked: false })
})

test('one in a hundred pins may be removed where that is more than a hundred', async () => {
  const at = world()
  at.pinned(11_500)
  for (let index = 0; index < 115; index++) at.pins.set(`x${index}`, 'ours')
  await at.run()
  assert.partialDeepStrictEqual(await at.run(), { removed: 115, blocked: false })
})

test('more pins than are kept in memory at a time take more passes and give the same findings', async () => {
  const at = world(1_000)
  at.pinned(5_000)
  for (const cid of ['c0', 'c999', 'c2500', 'c4999']) at.pins.delete(cid)
  at.pins.set('left over', 'ours')
  assert.partialDeepStrictEqual(await at.run(), { pins: 4_997, repaired: 4, unwanted: 1, removed: 0 })
  assert.deepEqual(at.offered(), ['c0', 'c2500', 'c4999', 'c999'])
  const first = at.counts().listings
  assert.partialDeepStrictEqual(await at.run(), { pins: 4_997, repaired: 0, unwanted: 1, removed: 1 })
  assert.equal(at.counts().listings - first, 8, 'the number of passes is remembered')
})

test('a list that Kubo does not finish has no effect', async () => {
  const at = world()
  at.pinned(100)
  at.pins.delete('c1')
  at.pins.set('left over', 'ours')
  at.during(() => {
    throw new Error('Kubo went away')
  })
  await assert.rejects(at.run(), /went away/)
  await assert.rejects(at.run(), /went away/)
  assert.deepEqual(at.offered(), [])
  at.during(() => {})
  assert.partialDeepStrictEqual(await at.run(), { repaired: 1, unwanted: 1, removed: 0 })
})

test('a confirmation allows the removals that were found, and no more', async () => {
  const at = world()
  at.pinned(10)
  for (let index = 0; index < 150; index++) at.pins.set(`x${index}`, 'ours')
  await at.run()
  assert.partialDeepStrictEqual(await at.run(), { removed: 0, blocked: true })
  at.confirm()
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 150, removed: 150, blocked: false })
  for (const [cid] of at.pins) if (cid.startsWith('x')) at.pins.delete(cid)
  for (const [cid, state] of at.placements) if (state === 'unpinning') at.placements.delete(cid)
  for (let index = 0; index < 150; index++) at.pins.set(`y${index}`, 'ours')
  await at.run()
  assert.partialDeepStrictEqual(await at.run(), { removed: 0, blocked: true }, 'once')
})

test('a confirmation given before too many unwanted pins were found does not count', async () => {
  const at = world()
  at.pinned(10)
  await at.run()
  at.confirm()
  for (let index = 0; index < 150; index++) at.pins.set(`x${index}`, 'ours')
  await at.run()
  assert.partialDeepStrictEqual(await at.run(), { removed: 0, blocked: true })
})

test('content that the pin worker works on is neither missing nor unwanted', async () => {
  const at = world()
  at.pinned(3)
  at.pins.delete('c1')
  at.pins.set('new', 'ours')
  for (const cid of ['c1', 'new']) at.busy.add(cid)
  await at.run()
  assert.partialDeepStrictEqual(await at.run(), { unwanted: 0, removed: 0, repaired: 0 })
})
