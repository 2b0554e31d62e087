import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mintId } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import { fakeClock } from '../dev/fake-clock.ts'
import { collectGarbage } from './collect-garbage.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const signal = new AbortController().signal

/** One node above its mark, of which 60 of 100 bytes are garbage. */
function world() {
  const clock = fakeClock()
  const state = { used: 95, garbage: 60, underWay: 0, halfFetched: false, holds: 0, collections: 0 }
  const turn: { mine: boolean; others: boolean } = { mine: false, others: false }
  let whileCollecting = async () => {}
  const worker = collectGarbage({
    identity: { nodeId: mintId('nod'), incarnation: 1 },
    store: {
      hasHalfFetched: async () => state.halfFetched,
      takeTurn: async () => (turn.mine = !turn.others),
      endTurn: async () => void (turn.mine = false),
    },
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
    highWater: 0.9,
    clock,
    log: silent,
  })
  return {
    clock,
    state,
    turn,
    collecting: (work: () => Promise<void>) => (whileCollecting = work),
    run: () => worker.run({ signal }),
    async [Symbol.asyncDispose]() {
      assert.deepEqual([state.holds, turn.mine, clock.sleepers()], [0, false, 0], 'nothing is left behind')
    },
  }
}

test('above the high-water mark garbage is collected, below it is not', async () => {
  await using at = world()
  assert.partialDeepStrictEqual(await at.run(), { collected: true, removed: 6, freedBytes: 60, full: false })
  assert.partialDeepStrictEqual(await at.run(), { full: false, usedBytes: 35 })
  assert.equal(at.state.collections, 1)
})

test('it waits for what is under way, holding the pin worker, and collects then', async () => {
  await using at = world()
  at.state.underWay = 3
  const running = at.run()
  await at.clock.pass(20_000)
  assert.deepEqual([at.state.holds, at.state.collections], [1, 0])
  at.state.underWay = 0
  await at.clock.pass(100)
  assert.partialDeepStrictEqual(await running, { collected: true })
})

test('what takes too long is let go on, and waited for only a while later', async () => {
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

test('nothing is collected while something half fetched waits to be tried again, not even when that came in between', async () => {
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

test('one node at a time', async () => {
  await using at = world()
  at.turn.others = true
  assert.partialDeepStrictEqual(await at.run(), { anothersTurn: true })
  assert.equal(at.state.collections, 0)
})

test('a turn that went to another while this waited ends the wait', async () => {
  await using at = world()
  at.state.underWay = 1
  const running = at.run()
  await at.clock.pass(1_000)
  at.turn.others = true
  await at.clock.pass(20_000)
  assert.partialDeepStrictEqual(await running, { busy: 1 })
})

test('a collection that fails leaves neither hold nor turn', async () => {
  await using at = world()
  at.collecting(() => Promise.reject(new Error('Kubo went away')))
  await assert.rejects(at.run(), /went away/)
})

test('pins alone above the mark are not collected over and over', async () => {
  await using at = world()
  at.state.garbage = 1
  assert.partialDeepStrictEqual(await at.run(), { collected: true, full: true })
  for (let runs = 0; runs < 10; runs++) await at.run()
  assert.equal(at.state.collections, 1)
})
