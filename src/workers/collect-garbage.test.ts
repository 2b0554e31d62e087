import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { collectGarbage } from './collect-garbage.ts'
import { silentLog } from '../core/silent-log.ts'

const signal = new AbortController().signal

/** One node above its mark, with 60 of 100 bytes garbage. */
function world() {
  const clock = fakeClock()
  const state = {
    used: 95,
    garbage: 60,
    underWay: 0,
    halfFetched: false,
    missing: 0,
    restored: false,
    holds: 0,
    collections: 0,
    releases: 0,
  }
  let onRelease = (): void => void (state.underWay = 0)
  const turn: { mine: boolean; others: boolean } = { mine: false, others: false }
  let whileCollecting = async () => {}
  const worker = collectGarbage({
    identity: { nodeId: mintId('nod'), incarnation: 1 },
    store: {
      hasHalfFetched: async () => state.halfFetched,
      takeTurn: async () => (turn.mine = !turn.others),
      endTurn: async () => void (turn.mine = false),
    },
    isRestored: async () => state.restored,
    ipfs: {
      repoStat: async () => ({ usedBytes: state.used, capacityBytes: 100 }),
      async collectGarbage() {
        assert.deepEqual([state.underWay, state.holds, turn.mine], [0, 1, true])
        state.collections++
        await whileCollecting()
        state.used -= state.garbage
        state.garbage = 0
        return { removed: 6, failed: 0 }
      },
    },
    intake: {
      hold() {
        state.holds++
        return { [Symbol.dispose]: () => void state.holds-- }
      },
    },
    underWay: () => state.underWay,
    release() {
      assert.equal(state.holds, 1)
      state.releases++
      onRelease()
    },
    async requeueMissing() {
      assert.deepEqual([state.underWay, state.holds, turn.mine], [0, 1, true])
      const { missing } = state
      if (missing > 0) Object.assign(state, { missing: 0, halfFetched: true })
      return missing
    },
    highWater: 0.9,
    clock,
    log: silentLog,
  })
  return {
    clock,
    state,
    turn,
    collecting: (work: () => Promise<void>) => (whileCollecting = work),
    releasing: (work: () => void) => (onRelease = work),
    run: () => worker.run({ signal }),
    /** Runs the worker as the driver does, until `done`; resolves with how long that took. */
    async runUntil(done: () => boolean, mostMs: number): Promise<number> {
      let over = false
      let ended = false
      const runs = async () => {
        for (; !over; await clock.sleep(15_000, signal)) await worker.run({ signal })
        ended = true
      }
      const running = runs()
      try {
        return await clock.until(done, mostMs)
      } finally {
        over = true
        await clock.until(() => ended, 200_000)
        await running
      }
    },
    async [Symbol.asyncDispose]() {
      assert.deepEqual([state.holds, turn.mine, clock.sleepers()], [0, false, 0], 'nothing is left behind')
    },
  }
}

test('garbage is collected above the high-water mark, and not below it', async () => {
  await using at = world()
  assert.partialDeepStrictEqual(await at.run(), { collected: true, removed: 6, freedBytes: 60, full: false })
  assert.partialDeepStrictEqual(await at.run(), { full: false, usedBytes: 35 })
  assert.equal(at.state.collections, 1)
})

test('it holds the pin worker, waits for the attempts under way, and then collects', async () => {
  await using at = world()
  at.state.underWay = 3
  const running = at.run()
  await at.clock.pass(20_000)
  assert.deepEqual([at.state.holds, at.state.collections], [1, 0])
  at.state.underWay = 0
  await at.clock.pass(100)
  assert.partialDeepStrictEqual(await running, { collected: true })
})

test('attempts that take too long are left running, and are waited for again only later', async () => {
  await using at = world()
  at.state.underWay = 1
  const running = at.run()
  await at.clock.pass(61_000)
  assert.partialDeepStrictEqual(await running, { busy: 1 })
  at.state.underWay = 0
  await at.run()
  assert.equal(at.state.collections, 0)
  await at.clock.pass(300_000)
  assert.partialDeepStrictEqual(await at.run(), { collected: true })
})

test('nothing is collected while half-fetched content waits for its next attempt, even if it came during the wait', async () => {
  await using at = world()
  at.state.halfFetched = true
  assert.partialDeepStrictEqual(await at.run(), { halfFetched: true })
  at.state.halfFetched = false
  at.state.underWay = 1
  const running = at.run()
  await at.clock.pass(1_000)
  Object.assign(at.state, { underWay: 0, halfFetched: true })
  await at.clock.pass(1_000)
  assert.partialDeepStrictEqual(await running, { halfFetched: true })
  assert.equal(at.state.collections, 0)
})

test('wanted content that has no pin in Kubo is pinned before garbage is collected', async () => {
  await using at = world()
  at.state.missing = 2
  assert.partialDeepStrictEqual(await at.run(), { missing: 2 })
  assert.partialDeepStrictEqual(await at.run(), { halfFetched: true })
  assert.equal(at.state.collections, 0)
  at.state.halfFetched = false
  assert.partialDeepStrictEqual(await at.run(), { collected: true })
})

test('a node whose patience is over still waits for content that has just lost its pin, and no longer than for other content', async () => {
  await using at = world()
  at.state.underWay = 1
  at.releasing(() => Object.assign(at.state, { underWay: 0, missing: 1 }))
  const lostMs = await at.runUntil(() => at.state.releases > 0, 1_400_000)
  assert.ok(lostMs >= 900_000, `${lostMs} ms`)
  assert.equal(at.state.collections, 0)
  const tookMs = await at.runUntil(() => at.state.collections > 0, 1_400_000)
  assert.ok(tookMs >= 600_000 && tookMs <= 1_380_000, `${tookMs} ms`)
})

test('running fetches are handed back so that garbage is collected within 23 minutes, however slowly content trickles in', async () => {
  await using at = world()
  at.state.underWay = 2
  const tookMs = await at.runUntil(() => at.state.collections > 0, 1_400_000)
  assert.ok(tookMs >= 900_000 && tookMs <= 1_380_000, `${tookMs} ms`)
  assert.equal(at.state.releases, 1)
})

test('half-fetched content does not put a collection off for longer either', async () => {
  await using at = world()
  at.state.halfFetched = true
  const tookMs = await at.runUntil(() => at.state.collections > 0, 1_400_000)
  assert.ok(tookMs >= 900_000 && tookMs <= 1_380_000, `${tookMs} ms`)
  assert.equal(at.state.releases, 0, 'nothing was under way')
})

test('an attempt that cannot be handed back is still waited for', async () => {
  await using at = world()
  at.state.underWay = 1
  at.releasing(() => {})
  await at.runUntil(() => at.state.releases === 2, 2_000_000)
  assert.equal(at.state.collections, 0)
  at.state.underWay = 0
  await at.runUntil(() => at.state.collections === 1, 301_000)
})

test('patience starts again after a collection, and after the node was below its mark', async () => {
  await using at = world()
  const after = async (ms: number, used: number) => {
    await at.clock.pass(ms)
    at.state.used = used
    return at.run()
  }
  Object.assign(at.state, { halfFetched: true, garbage: 0 })
  assert.partialDeepStrictEqual(await after(0, 95), { halfFetched: true })
  assert.partialDeepStrictEqual(await after(800_000, 10), { full: false })
  assert.partialDeepStrictEqual(await after(10_000, 95), { halfFetched: true })
  assert.partialDeepStrictEqual(await after(899_000, 95), { halfFetched: true })
  assert.partialDeepStrictEqual(await after(1_000, 95), { collected: true, full: true })
  assert.partialDeepStrictEqual(await after(301_000, 95), { halfFetched: true })
  assert.partialDeepStrictEqual(await after(899_000, 95), { halfFetched: true })
  assert.partialDeepStrictEqual(await after(1_000, 95), { collected: true })
})

test('nothing is collected while the database is restored and no operator has decided', async () => {
  await using at = world()
  at.state.restored = true
  assert.partialDeepStrictEqual(await at.run(), { full: true, restored: true })
  assert.equal(at.state.collections, 0)
  at.state.restored = false
  assert.partialDeepStrictEqual(await at.run(), { collected: true })
})

test('nothing is collected when the database went back while the collector waited for attempts', async () => {
  await using at = world()
  at.state.underWay = 1
  let ended = false
  const run = at.run().finally(() => (ended = true))
  await at.clock.pass(1_000)
  at.state.restored = true
  at.state.underWay = 0
  await at.clock.until(() => ended, 60_000)
  assert.partialDeepStrictEqual(await run, { restored: true })
  assert.equal(at.state.collections, 0)
})

test('nothing is collected while another node has the turn', async () => {
  await using at = world()
  at.turn.others = true
  assert.partialDeepStrictEqual(await at.run(), { anothersTurn: true })
  assert.equal(at.state.collections, 0)
})

test('a wait ends when the turn goes to another node', async () => {
  await using at = world()
  at.state.underWay = 1
  const running = at.run()
  await at.clock.pass(1_000)
  at.turn.others = true
  await at.clock.pass(20_000)
  assert.partialDeepStrictEqual(await running, { busy: 1 })
})

test('a failed collection leaves neither a hold nor a turn behind', async () => {
  await using at = world()
  at.collecting(() => Promise.reject(new Error('Kubo went away')))
  await assert.rejects(at.run(), /went away/)
})

test('a node that is above its mark by pins alone does not collect over and over', async () => {
  await using at = world()
  at.state.garbage = 1
  assert.partialDeepStrictEqual(await at.run(), { collected: true, full: true })
  for (let runs = 0; runs < 10; runs++) await at.run()
  assert.equal(at.state.collections, 1)
})
