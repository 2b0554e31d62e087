import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochOf, type Epoch } from '../core/epoch.ts'
import { AnchorageError } from '../core/errors.ts'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { driver } from './driver.ts'
import type { LeaderTurn, NodeWorker, Report, Turn } from './driver.ts'
import { silentLog } from '../core/silent-log.ts'

/** A running driver, and a worker whose runs the test ends or fails. */
async function driving(some: Partial<NodeWorker> = {}) {
  const clock = fakeClock()
  const drive = driver({ clock, log: silentLog, random: () => 1 })
  const turns: Turn[] = []
  let work: (turn: Turn) => Promise<Report> = async () => ({ done: turns.length })
  drive.add({
    name: 'w',
    everyMs: 10_000,
    leaderOnly: false,
    run: (turn) => (turns.push(turn), work(turn)),
    ...some,
  })
  const stopping = new AbortController()
  let over = false
  const running = drive.run(stopping.signal).then(() => (over = true))
  await clock.pass(0)
  return {
    clock,
    drive,
    turns,
    does: (next: typeof work) => (work = next),
    status: () => drive.reports()[0] ?? assert.fail('no report'),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await clock.until(() => over, 0)
      await running
      assert.equal(clock.sleepers(), 0)
    },
  }
}

test('a worker runs at once and then on its timer, and its last report is kept', async () => {
  await using at = await driving()
  assert.equal(at.turns.length, 1)
  await at.clock.pass(9_999)
  assert.equal(at.turns.length, 1)
  await at.clock.pass(1)
  assert.deepEqual(at.status().report, { done: 2 })
  assert.equal(at.status().runs, 2)
})

test('a worker with a delay runs first after it, unless it is nudged', async () => {
  await using at = await driving({ firstAfterMs: 5_000 })
  assert.equal(at.turns.length, 0)
  at.drive.nudge('w')
  await at.clock.pass(0)
  assert.equal(at.turns.length, 1)
})

test('a nudge runs the worker now; nudges during a run cause one more run, and runs never overlap', async () => {
  await using at = await driving()
  let under = 0
  at.does(async () => {
    assert.equal(++under, 1)
    await at.clock.sleep(1_000, new AbortController().signal)
    under--
    return {}
  })
  at.drive.nudge('w')
  await at.clock.pass(500)
  assert.equal(at.turns.length, 2)
  for (let index = 0; index < 5; index++) at.drive.nudge('w')
  await at.clock.pass(600)
  assert.equal(at.turns.length, 3)
  await at.clock.pass(5_000)
  assert.equal(at.turns.length, 3)
})

test('a failure is retried with growing delays, and a success restores the timer', async () => {
  await using at = await driving()
  at.does(() => Promise.reject(new Error('no')))
  at.drive.nudge('w')
  await at.clock.pass(0)
  const runsAfter: number[] = []
  for (const ms of [999, 1, 1_999, 1, 3_999, 1]) {
    await at.clock.pass(ms)
    runsAfter.push(at.turns.length)
  }
  assert.deepEqual(runsAfter, [2, 3, 3, 4, 4, 5])
  assert.equal(at.status().failures, 4)
  assert.deepEqual(at.status().report, { done: 1 }, 'the last good report')
  at.does(async () => ({}))
  await at.clock.pass(8_000)
  assert.equal(at.status().failures, 0)
  await at.clock.pass(9_999)
  assert.equal(at.turns.length, 6)
})

test('a leader worker runs only while this node leads, under its epoch and its signal', async () => {
  await using at = await driving()
  const turns: LeaderTurn[] = []
  at.drive.add({
    name: 'l',
    everyMs: 1_000,
    leaderOnly: true,
    run: async (turn) => (turns.push(turn), {}),
  })
  await at.clock.pass(10_000)
  assert.equal(turns.length, 0)
  const first = new AbortController()
  void at.drive.lead(epochOf('3'), first.signal)
  await at.clock.pass(0)
  assert.equal(turns.length, 1, 'at once')
  await at.clock.pass(2_000)
  first.abort()
  await at.clock.pass(10_000)
  assert.deepEqual(
    turns.map(({ epoch, signal }) => [epoch, signal.aborted]),
    [
      ['3', true],
      ['3', true],
      ['3', true],
    ],
  )
  const second = new AbortController()
  void at.drive.lead(epochOf('4'), second.signal)
  first.abort()
  await at.clock.pass(0)
  assert.deepEqual([turns.at(-1)?.epoch, turns.at(-1)?.signal.aborted], ['4', false])
})

test('a leader whose write is refused because its epoch is over stops leading at once, and can lead again under a later epoch', async () => {
  await using at = await driving()
  let present = epochOf('4')
  const epochs: Epoch[] = []
  at.drive.add({
    name: 'l',
    everyMs: 1_000,
    leaderOnly: true,
    run: async ({ epoch }) => {
      epochs.push(epoch)
      if (epoch !== present) throw new AnchorageError('not_leading', 'another leader has been elected')
      return {}
    },
  })
  const lease = new AbortController()
  let ended = false
  void at.drive.lead(epochOf('4'), lease.signal).then(() => (ended = true))
  await at.clock.pass(2_500)
  assert.deepEqual([epochs, ended], [['4', '4', '4'], false])
  present = epochOf('5')
  await at.clock.pass(10_000)
  assert.deepEqual([epochs, ended, lease.signal.aborted], [['4', '4', '4', '4'], true, false])
  void at.drive.lead(epochOf('5'), lease.signal)
  await at.clock.pass(0)
  assert.equal(epochs.at(-1), '5')
})

test('losing leadership during a run aborts the run and does not count as a failure', async () => {
  await using at = await driving()
  at.drive.add({
    name: 'l',
    everyMs: 1_000,
    leaderOnly: true,
    run: ({ signal }) => at.clock.sleep(60_000, signal).then(() => ({})),
  })
  const leading = new AbortController()
  void at.drive.lead(epochOf('1'), leading.signal)
  await at.clock.pass(500)
  assert.equal(at.drive.reports()[1]?.running, true)
  leading.abort()
  await at.clock.pass(0)
  assert.partialDeepStrictEqual(at.drive.reports()[1], { running: false, failures: 0, report: null })
})

test('a stop waits for the run under way and starts no other', async () => {
  const clock = fakeClock()
  const drive = driver({ clock, log: silentLog })
  let runs = 0
  drive.add({
    name: 'w',
    everyMs: 1,
    leaderOnly: false,
    run: async () => (runs++, await clock.sleep(1_000, new AbortController().signal), {}),
  })
  const stopping = new AbortController()
  let over = false
  const running = drive.run(stopping.signal).then(() => (over = true))
  await clock.pass(100)
  stopping.abort()
  drive.nudge('w')
  await clock.pass(800)
  assert.equal(over, false)
  await clock.pass(100)
  assert.equal(over, true)
  await running
  assert.equal(runs, 1)
})
