import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { mintId } from '../core/ids.ts'
import { quietLog } from '../dev/test-nats.ts'
import type { LeaderKey } from './leader-key.ts'
import { contend, workMs, type LeaseOptions } from './lease.ts'
import type { SteadyClock } from './steady-clock.ts'

const ttlMs = 6_000

/** Time that stands still until it is told to pass. */
class FakeClock implements SteadyClock {
  #nowMs = 0
  #sleepers: { untilMs: number; wake: () => void }[] = []

  steadyMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const sleeper = { untilMs: this.#nowMs + ms, wake: resolve }
      this.#sleepers.push(sleeper)
      signal.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(signal.reason)
      })
    })
  }

  /** Passes in small steps, so that what wakes at one moment acts at that moment. */
  async pass(ms: number): Promise<void> {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs;) {
      await this.jump(Math.min(50, endMs - this.#nowMs))
    }
  }

  /** Passes at once, as for a process that was stopped: everything due wakes late. */
  async jump(ms: number): Promise<void> {
    this.#nowMs += ms
    const due = this.#sleepers.filter(({ untilMs }) => untilMs <= this.#nowMs)
    this.#sleepers = this.#sleepers.filter((sleeper) => !due.includes(sleeper))
    for (const { wake } of due) wake()
    for (let turns = 0; turns < 5; turns++) await turn()
  }
}

/** The key as JetStream keeps it: revisions, expiry with a marker; and faults on request. */
class FakeKey implements LeaderKey {
  readonly #clock: SteadyClock
  #revision = 0
  #lastRevision = 0
  #value: string | null = null
  #expiresMs = Infinity
  #listeners = new Set<() => void>()
  /** `away`: nothing gets through. `mute`: requests arrive, answers are lost. `keeps`: nothing expires. */
  fault: 'away' | 'mute' | 'keeps' | null = null

  constructor(clock: SteadyClock) {
    this.#clock = clock
  }

  holder(): string | null {
    this.#expire()
    return this.#value === null ? null : String(JSON.parse(this.#value).nodeId)
  }

  put(value: string, expected: number, ttl: number): Promise<number | null> {
    if (this.fault === 'away') return Promise.reject(new Error('away'))
    this.#expire()
    if (expected !== this.#revision) return this.#answer(null)
    this.#revision = ++this.#lastRevision
    this.#value = value
    this.#expiresMs = this.#clock.steadyMs() + ttl
    return this.#answer(this.#revision)
  }

  read(): Promise<{ revision: number; value: string | null } | null> {
    if (this.fault === 'away') return Promise.reject(new Error('away'))
    this.#expire()
    return this.#answer(this.#revision === 0 ? null : { revision: this.#revision, value: this.#value })
  }

  drop(expected: number): Promise<void> {
    if (this.fault === 'away') return Promise.reject(new Error('away'))
    this.#expire()
    if (expected !== this.#revision) return Promise.reject(new Error('stale'))
    this.#revision = ++this.#lastRevision
    this.#value = null
    for (const listener of this.#listeners) listener()
    return Promise.resolve()
  }

  onDropped(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** All is lost but for one thing: in a bucket made anew, `names.ts` lets revisions begin above all earlier ones. */
  wipe(): void {
    this.#revision = 0
    this.#lastRevision += 1_000
    this.#value = null
  }

  #answer<T>(value: T): Promise<T> {
    return this.fault === 'mute' ? Promise.reject(new Error('no answer')) : Promise.resolve(value)
  }

  #expire(): void {
    if (this.fault === 'keeps' || this.#value === null || this.#clock.steadyMs() < this.#expiresMs) return
    this.#revision = ++this.#lastRevision
    this.#value = null
  }
}

/** One contender, and when it led: `epoch` of each term begun, and whether it leads now. */
function contender(
  clock: FakeClock,
  key: LeaderKey,
  epochs: { last: number },
  more: Partial<LeaseOptions> = {},
) {
  const nodeId = mintId('nod')
  const stop = new AbortController()
  const seen = { epochs: new Array<number>(), leads: false, endedAtMs: 0 }
  const onLead = async (epoch: number, signal: AbortSignal): Promise<void> => {
    seen.epochs.push(epoch)
    seen.leads = true
    await new Promise((ended) => signal.addEventListener('abort', ended))
    seen.leads = false
    seen.endedAtMs = clock.steadyMs()
  }
  const nextEpoch = () => Promise.resolve(++epochs.last)
  const options = { nodeId, ttlMs, clock, key, nextEpoch, onLead, log: quietLog, ...more }
  return { nodeId, seen, stop, done: contend(options, stop.signal) }
}

function world() {
  const clock = new FakeClock()
  return { clock, key: new FakeKey(clock), epochs: { last: 0 } }
}

async function end(clock: FakeClock, ...contenders: { stop: AbortController; done: Promise<void> }[]) {
  for (const { stop } of contenders) stop.abort()
  await clock.pass(100)
  await Promise.all(contenders.map(({ done }) => done))
}

test('work always stops before the server lets the key expire', () => {
  for (const ttl of [1_000, 2_000, 5_000, 10_000, 60_000])
    assert.ok(workMs(ttl) < ttl && workMs(ttl) > ttl / 2)
})

test('one of two leads, for as long as it renews, under one epoch', async () => {
  const { clock, key, epochs } = world()
  const both = [contender(clock, key, epochs), contender(clock, key, epochs)]
  await clock.pass(10 * ttlMs)
  assert.equal(both.filter(({ seen }) => seen.leads).length, 1)
  assert.deepEqual(
    both.flatMap(({ seen }) => seen.epochs),
    [1],
  )
  await end(clock, ...both)
})

test('the leader stops its work before the key expires when it cannot renew', async () => {
  const { clock, key, epochs } = world()
  const one = contender(clock, key, epochs)
  await clock.pass(ttlMs)
  const heldBy = key.holder()
  assert.equal(heldBy, one.nodeId)
  key.fault = 'away'
  while (one.seen.leads) await clock.pass(50)
  assert.equal(key.holder(), one.nodeId, 'the key had not expired when the work ended')
  await end(clock, one)
})

test('faults shorter than the lease do not end it', async () => {
  const { clock, key, epochs } = world()
  const one = contender(clock, key, epochs)
  await clock.pass(1_000)
  for (const fault of ['away', 'mute', 'away'] as const) {
    key.fault = fault
    await clock.pass(ttlMs / 3)
    key.fault = null
    await clock.pass(ttlMs)
  }
  assert.deepEqual(one.seen, { epochs: [1], leads: true, endedAtMs: 0 })
  await end(clock, one)
})

test('answers lost for good end the work in time, although the key is renewed on', async () => {
  const { clock, key, epochs } = world()
  const one = contender(clock, key, epochs)
  await clock.pass(1_000)
  const fromMs = clock.steadyMs()
  key.fault = 'mute'
  while (one.seen.leads) await clock.pass(50)
  assert.ok(one.seen.endedAtMs - fromMs <= workMs(ttlMs))
  await end(clock, one)
})

test('a stopped leader is followed within the time to live; when it wakes it knows at once, and cannot renew', async () => {
  const { clock, key, epochs } = world()
  // The stopped process: its clock goes on, its timers do not run.
  const stopped = new FakeClock()
  const first = contender(stopped, key, epochs)
  await stopped.pass(1_000)
  await clock.pass(1_000)
  assert.equal(first.seen.leads, true)
  const second = contender(clock, key, epochs)
  await clock.pass(1.5 * ttlMs)
  assert.equal(second.seen.leads, true)
  await stopped.jump(1.5 * ttlMs)
  assert.equal(first.seen.leads, false)
  await stopped.pass(ttlMs / 2)
  assert.equal(key.holder(), second.nodeId)
  assert.deepEqual([first.seen.epochs, second.seen.epochs], [[1], [2]])
  await end(clock, second)
  await end(stopped, first)
})

test('a server that keeps the key of a dead leader past its time keeps nobody out; a living leader is left alone', async () => {
  const { clock, key, epochs } = world()
  key.fault = 'keeps'
  const dead = new FakeClock()
  const first = contender(dead, key, epochs)
  await dead.pass(1_000)
  const second = contender(clock, key, epochs)
  await clock.pass(2 * ttlMs)
  assert.deepEqual(second.seen.epochs, [2])
  const third = contender(clock, key, epochs)
  await clock.pass(10 * ttlMs)
  assert.deepEqual([second.seen.leads, third.seen.epochs], [true, []])
  await end(clock, second, third)
  await end(dead, first)
})

test('a leader that steps down is followed at once, with the next epoch', async () => {
  const { clock, key, epochs } = world()
  const first = contender(clock, key, epochs)
  await clock.pass(100)
  const second = contender(clock, key, epochs)
  await clock.pass(2_000)
  first.stop.abort()
  await clock.pass(50)
  assert.deepEqual(second.seen.epochs, [2])
  await end(clock, first, second)
})

test('the lease is kept until work that takes its time to stop has stopped', async () => {
  const { clock, key, epochs } = world()
  const gate = Promise.withResolvers<void>()
  const slow = contender(clock, key, epochs, { onLead: () => gate.promise })
  await clock.pass(100)
  const second = contender(clock, key, epochs)
  slow.stop.abort()
  await clock.pass(3 * ttlMs)
  assert.deepEqual(second.seen.epochs, [])
  gate.resolve()
  await clock.pass(50)
  assert.deepEqual(second.seen.epochs, [2])
  await end(clock, slow, second)
})

test('a wiped bucket ends the term; whoever leads then has a later epoch', async () => {
  const { clock, key, epochs } = world()
  const both = [contender(clock, key, epochs), contender(clock, key, epochs)]
  await clock.pass(1_000)
  key.wipe()
  await clock.pass(2 * ttlMs)
  assert.equal(both.filter(({ seen }) => seen.leads).length, 1)
  assert.ok(both.some(({ seen }) => seen.leads && (seen.epochs.at(-1) ?? 0) > 1))
  await end(clock, ...both)
})

test('without an epoch nobody leads: the key is given back and tried again', async () => {
  const { clock, key, epochs } = world()
  let away = true
  const nextEpoch = () =>
    away ? Promise.reject(new Error('Postgres is away')) : Promise.resolve(++epochs.last)
  const one = contender(clock, key, epochs, { nextEpoch })
  await clock.pass(ttlMs)
  assert.deepEqual(one.seen.epochs, [])
  away = false
  await clock.pass(1.5 * ttlMs)
  assert.deepEqual(one.seen.epochs, [1])
  await end(clock, one)
})

test('an epoch that comes after the deadline is not led under', async () => {
  const { clock, key, epochs } = world()
  const late = Promise.withResolvers<number>()
  let calls = 0
  const nextEpoch = () => (calls++ === 0 ? late.promise : Promise.resolve(2))
  const one = contender(clock, key, epochs, { nextEpoch })
  await clock.pass(ttlMs)
  late.resolve(1)
  await clock.pass(2 * ttlMs)
  assert.deepEqual(one.seen.epochs, [2])
  await end(clock, one)
})

test('work that fails gives the lease up and is tried again, not at once', async () => {
  const { clock, key, epochs } = world()
  let calls = 0
  const failing = contender(clock, key, epochs, {
    onLead: () => Promise.reject(new Error(`call ${++calls}`)),
  })
  await clock.pass(3 * ttlMs)
  assert.ok(calls >= 2 && calls <= 25, `called ${calls} times`)
  await end(clock, failing)
  assert.equal(key.holder(), null)
})
