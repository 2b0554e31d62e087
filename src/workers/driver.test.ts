import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../../testing/fakes/clock.ts'
import { epochOf, type Epoch } from '../core/epoch.ts'
import { AnchorageError } from '../core/errors.ts'
import { driver } from './driver.ts'
import type { LeaderTurn, NodeWorker, Report, Turn } from './driver.ts'
import type { TermEnd } from './leader-term.ts'
import { silentLog } from '../core/silent-log.ts'

const limits = { tries: 3, patienceMs: 10_000 }

/** A running driver, and a worker whose runs the test ends or fails. */
async function driving(some: Partial<NodeWorker> = {}) {
  const clock = fakeClock()
  const drive = driver({ clock, log: silentLog, random: () => 1, limits })
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

/** A running driver whose leader's workers do as the test says. Each takes turns of a second. */
async function leading(names: string[] = ['l']) {
  const at = await driving()
  const runs: { name: string; epoch: Epoch }[] = []
  let work: (turn: LeaderTurn, name: string) => Promise<unknown> = async () => {}
  for (const name of names)
    at.drive.add({
      name,
      everyMs: 1_000,
      leaderOnly: true,
      async run(turn) {
        runs.push({ name, epoch: turn.epoch })
        await work(turn, name)
        return {}
      },
    })
  const lease = new AbortController()
  return {
    clock: at.clock,
    runs,
    lease,
    does: (next: typeof work) => (work = next),
    failures: () => at.drive.reports().flatMap(({ name, failures }) => (name === 'w' ? [] : [failures])),
    /** Begins a term. It tells how it ended, or null while it lasts. */
    lead(epoch: string): () => TermEnd | null {
      let ended: TermEnd | null = null
      void at.drive.lead(epochOf(epoch), lease.signal).then((why) => (ended = why))
      return () => ended
    },
    async [Symbol.asyncDispose]() {
      lease.abort()
      await at[Symbol.asyncDispose]()
    },
  }
}

const over = () => Promise.reject(new AnchorageError('not_leading', 'another leader has been elected'))
const away = () => Promise.reject(new AnchorageError('unavailable', 'the database cannot be reached'))

test('a leader whose write is refused because its epoch is over stops leading at once, and can lead again under a later epoch', async () => {
  await using at = await leading()
  const ended = at.lead('4:a')
  await at.clock.pass(2_500)
  assert.deepEqual([at.runs.length, ended()], [3, null])
  at.does(over)
  await at.clock.pass(10_000)
  assert.deepEqual([at.runs.length, ended(), at.lease.signal.aborted], [4, 'epoch', false])
  at.does(async () => {})
  const again = at.lead('5:b')
  await at.clock.pass(0)
  assert.deepEqual([at.runs.at(-1)?.epoch, again()], ['5:b', null])
})

test('a term ends with its lease', async () => {
  await using at = await leading()
  const ended = at.lead('4:a')
  await at.clock.pass(1_500)
  at.lease.abort()
  await at.clock.pass(10_000)
  assert.deepEqual([at.runs.length, ended()], [2, 'lease'])
})

test('a leader gives up after three runs in a row that could not reach Postgres', async () => {
  await using at = await leading()
  at.does(away)
  const ended = at.lead('4:a')
  // The second run comes a second after the first, and the third two seconds later.
  await at.clock.pass(2_999)
  assert.deepEqual([at.runs.length, ended()], [2, null])
  await at.clock.pass(1)
  assert.deepEqual([at.runs.length, ended()], [3, 'database'])
})

test('runs of all workers count, and those that fail together count as one', async () => {
  await using at = await leading(['one', 'two', 'three', 'four'])
  at.does(away)
  const ended = at.lead('4:a')
  await at.clock.pass(999)
  assert.deepEqual([at.runs.length, ended()], [4, null])
  await at.clock.pass(1)
  assert.deepEqual([at.runs.length, ended()], [8, null])
  await at.clock.pass(2_000)
  assert.equal(ended(), 'database')
})

test('a leader goes on while one of its workers reaches Postgres, also if its runs fail for another reason', async () => {
  await using at = await leading(['cut off', 'well', 'failing'])
  at.does(async (_turn, name) => {
    if (name === 'failing') throw new Error('a bug')
    if (name === 'cut off') await away()
  })
  const ended = at.lead('4:a')
  await at.clock.pass(600_000)
  assert.equal(ended(), null)
  at.does(() => Promise.reject(new Error('a bug')))
  await at.clock.pass(600_000)
  assert.equal(ended(), null)
})

test('a leader gives up when its runs wait for Postgres for too long', async () => {
  await using at = await leading(['one', 'two'])
  const ended = at.lead('4:a')
  await at.clock.pass(5_500)
  at.does(({ signal }) => at.clock.sleep(60_000, signal))
  // The next runs begin after half a second.
  await at.clock.pass(10_499)
  assert.equal(ended(), null)
  await at.clock.pass(1)
  assert.equal(ended(), 'database')
})

test('a long run does not end the term while others reach Postgres', async () => {
  await using at = await leading(['long', 'short'])
  at.does(async ({ signal }, name) => {
    if (name === 'long') await at.clock.sleep(60_000, signal)
  })
  const ended = at.lead('4:a')
  await at.clock.pass(600_000)
  assert.equal(ended(), null)
})

test('a run of an earlier term ends nothing of the present one, and does not count in it', async () => {
  await using at = await leading(['slow', 'quick'])
  const fails = Promise.withResolvers<never>()
  at.does(async (turn, name) => {
    if (turn.epoch === epochOf('4:a') && name === 'slow') await fails.promise
    else if (turn.epoch === epochOf('4:a')) await over()
    else await at.clock.sleep(100, turn.signal)
  })
  const first = at.lead('4:a')
  await at.clock.pass(0)
  assert.equal(first(), 'epoch')
  const second = at.lead('5:b')
  await at.clock.pass(0)
  fails.reject(new AnchorageError('not_leading', 'another leader has been elected'))
  await at.clock.pass(0)
  assert.deepEqual([second(), at.failures()], [null, [0, 0]])
  assert.deepEqual(at.runs.at(-1), { name: 'slow', epoch: '5:b' }, 'it runs at once in the new term')
})

test('a new term begins at once with all workers, however long they have failed before', async () => {
  await using at = await leading(['one', 'two'])
  at.does(() => Promise.reject(new Error('a bug')))
  const first = at.lead('4:a')
  await at.clock.pass(3_600_000)
  assert.ok(at.failures().every((failures) => failures > 10))
  at.does(over)
  await at.clock.pass(300_000)
  assert.deepEqual([first(), at.failures()], ['epoch', [0, 0]])
  const { length } = at.runs
  at.does(() => Promise.reject(new Error('a bug')))
  at.lead('5:b')
  await at.clock.pass(0)
  assert.equal(at.runs.length, length + 2)
  await at.clock.pass(1_000)
  assert.equal(at.runs.length, length + 4, 'and their waits begin with the shortest')
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
  const drive = driver({ clock, log: silentLog, limits })
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
