import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeEpochs } from '../../testing/fakes/epochs.ts'
import { numberOf, type Epoch } from '../core/epoch.ts'
import { mintId } from '../core/ids.ts'
import type { EpochStore, Log } from '../core/ports.ts'
import { silentLog } from '../core/silent-log.ts'
import type { LeaderKey } from './leader-key.ts'
import { contend, leaseTimes, type LeaseOptions } from './lease.ts'
import type { SteadyClock } from './steady-clock.ts'

const ttlMs = 6_000

/** Time that passes only when it is told to. */
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

  /** Passes in small steps, so that each sleeper wakes and acts at its own moment. */
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

/** The key as JetStream keeps it, with revisions, a marker at expiry, and faults on request. */
class FakeKey implements LeaderKey {
  readonly #clock: SteadyClock
  #revision = 0
  #lastRevision = 0
  #value: string | null = null
  #expiresMs = Infinity
  #listeners = new Set<() => void>()
  /**
   * `away`: every request fails at once. `silent`: nothing gets through, and a request fails when its time is up. `mute`: requests
   * arrive, answers are lost. `keeps`: nothing expires.
   */
  fault: 'away' | 'silent' | 'mute' | 'keeps' | null = null

  constructor(clock: SteadyClock) {
    this.#clock = clock
  }

  holder(): string | null {
    this.#expire()
    return this.#value === null ? null : String(JSON.parse(this.#value).nodeId)
  }

  async put(value: string, expected: number, ttl: number, timeoutMs: number): Promise<number | null> {
    await this.#arrive(timeoutMs)
    if (expected !== this.#revision) return this.#answer(null, timeoutMs)
    this.#revision = ++this.#lastRevision
    this.#value = value
    this.#expiresMs = this.#clock.steadyMs() + ttl
    return this.#answer(this.#revision, timeoutMs)
  }

  async read(timeoutMs: number): Promise<{ revision: number; value: string | null } | null> {
    await this.#arrive(timeoutMs)
    const held = this.#revision === 0 ? null : { revision: this.#revision, value: this.#value }
    return this.#answer(held, timeoutMs)
  }

  async drop(expected: number, timeoutMs: number): Promise<void> {
    await this.#arrive(timeoutMs)
    if (expected !== this.#revision) throw new Error('stale')
    this.#revision = ++this.#lastRevision
    this.#value = null
    for (const listener of this.#listeners) listener()
  }

  onDropped(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Deletes everything. As `names.ts` arranges for a recreated bucket, later revisions still begin above all earlier ones. */
  wipe(): void {
    this.#revision = 0
    this.#lastRevision += 1_000
    this.#value = null
  }

  async #arrive(timeoutMs: number): Promise<void> {
    if (this.fault === 'away') throw new Error('away')
    if (this.fault === 'silent') await this.#timeOut(timeoutMs)
    this.#expire()
  }

  async #answer<T>(value: T, timeoutMs: number): Promise<T> {
    if (this.fault === 'mute') await this.#timeOut(timeoutMs)
    return value
  }

  async #timeOut(ms: number): Promise<never> {
    await this.#clock.sleep(ms, new AbortController().signal)
    throw new Error('no answer')
  }

  #expire(): void {
    if (this.fault === 'keeps' || this.#value === null || this.#clock.steadyMs() < this.#expiresMs) return
    this.#revision = ++this.#lastRevision
    this.#value = null
  }
}

/** One contender, with the epochs of its terms so far and whether it leads now. */
function contender(clock: FakeClock, key: LeaderKey, epochs: FakeEpochs, more: Partial<LeaseOptions> = {}) {
  const nodeId = mintId('nod')
  const stop = new AbortController()
  const seen = { epochs: new Array<number>(), leads: false, endedAtMs: 0 }
  const onLead = async (epoch: Epoch, signal: AbortSignal): Promise<void> => {
    seen.epochs.push(numberOf(epoch))
    seen.leads = true
    await new Promise((ended) => signal.addEventListener('abort', ended))
    seen.leads = false
    seen.endedAtMs = clock.steadyMs()
  }
  const options = { nodeId, ttlMs, clock, key, epochs, onLead, log: silentLog, ...more }
  return { nodeId, seen, stop, done: contend(options, stop.signal) }
}

function world() {
  const clock = new FakeClock()
  return { clock, key: new FakeKey(clock), epochs: new FakeEpochs() }
}

async function end(clock: FakeClock, ...contenders: { stop: AbortController; done: Promise<void> }[]) {
  for (const { stop } of contenders) stop.abort()
  // Longer than a request in flight may wait for its answer.
  await clock.pass(ttlMs)
  await Promise.all(contenders.map(({ done }) => done))
}

test('work always stops before the key expires, and survives a stall of more than half of the time until then', () => {
  for (const ttl of [1_000, 2_000, 5_000, 10_000, 60_000]) {
    const { workMs, stallMs } = leaseTimes(ttl)
    assert.ok(workMs < ttl && stallMs > workMs / 2, `${ttl}: ${workMs}, ${stallMs}`)
  }
  assert.equal(leaseTimes(10_000).stallMs, 6_500, 'the default lease, as ARCHITECTURE.md says')
})

test('one of two contenders leads under one epoch for as long as it renews', async () => {
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

test('a leader that cannot renew stops its work before the key expires', async () => {
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

for (const fault of ['away', 'silent', 'mute'] as const)
  test(`a stall of the longest promised length does not end the lease, whenever it begins: ${fault}`, async () => {
    const { everyMs, stallMs } = leaseTimes(ttlMs)
    const { clock, key, epochs } = world()
    const one = contender(clock, key, epochs)
    const two = contender(clock, key, epochs)
    await clock.pass(1_000)
    for (let offsetMs = 0; offsetMs <= everyMs; offsetMs += 50) {
      await clock.pass(2 * everyMs + offsetMs)
      key.fault = fault
      await clock.pass(stallMs)
      key.fault = null
    }
    await clock.pass(ttlMs)
    assert.deepEqual([...one.seen.epochs, ...two.seen.epochs], [1])
    assert.equal(one.seen.leads !== two.seen.leads, true)
    await end(clock, one, two)
  })

test('a process without CPU time for the longest promised stall keeps its lease too', async () => {
  const { clock, key, epochs } = world()
  const one = contender(clock, key, epochs)
  await clock.pass(1_000)
  for (let stalls = 0; stalls < 20; stalls++) {
    await clock.jump(leaseTimes(ttlMs).stallMs)
    await clock.pass(50 * stalls)
  }
  assert.deepEqual(one.seen, { epochs: [1], leads: true, endedAtMs: 0 })
  await end(clock, one)
})

test('a late renewal is logged with how late it was, what was slow, and how much time was left', async () => {
  const { clock, key, epochs } = world()
  const lines: Record<string, number>[] = []
  const log: Log = {
    ...silentLog,
    warn: (fields) => void lines.push(Object.fromEntries(Object.entries(fields))),
  }
  const one = contender(clock, key, epochs, { log })
  await clock.pass(3 * ttlMs)
  assert.deepEqual(lines, [], 'none was late')
  key.fault = 'silent'
  await clock.pass(leaseTimes(ttlMs).stallMs)
  key.fault = null
  await clock.pass(ttlMs)
  const [line, ...more] = lines
  assert.deepEqual(more, [])
  assert.ok(line)
  const { epoch, lateMs = 0, processMs = 0, natsMs = 0, tries = 0, leftMs = 0 } = line
  assert.equal(epoch, 1)
  assert.equal(processMs, 0)
  assert.equal(natsMs, lateMs)
  assert.ok(lateMs > ttlMs / 3 && lateMs < ttlMs && tries > 1, JSON.stringify(line))
  assert.ok(leftMs > 0 && leftMs < ttlMs / 3, JSON.stringify(line))
  await end(clock, one)
})

test('each try to renew is reported, with how long after it was due the answer came', async () => {
  const { clock, key, epochs } = world()
  const told: { ok: boolean; lateMs: number }[] = []
  const one = contender(clock, key, epochs, { onRenewal: (ok, lateMs) => told.push({ ok, lateMs }) })
  await clock.pass(2 * ttlMs)
  assert.ok(told.length >= 8)
  assert.deepEqual(
    told.filter(({ ok, lateMs }) => !ok || lateMs < 0 || lateMs > 50),
    [],
  )
  const before = told.length
  key.fault = 'silent'
  await clock.pass(leaseTimes(ttlMs).stallMs)
  key.fault = null
  await clock.pass(ttlMs / 5)
  const after = told.slice(before)
  assert.ok(after.length >= 2)
  const late = after.find(({ ok }) => ok)?.lateMs ?? 0
  assert.ok(late > ttlMs / 3 && late < ttlMs, String(late))
  assert.equal(after[0]?.ok, false)
  await end(clock, one)
})

test('work stops in time when all answers are lost, although the key is still renewed', async () => {
  const { clock, key, epochs } = world()
  const one = contender(clock, key, epochs)
  await clock.pass(1_000)
  const fromMs = clock.steadyMs()
  key.fault = 'mute'
  while (one.seen.leads) await clock.pass(50)
  assert.ok(one.seen.endedAtMs - fromMs <= leaseTimes(ttlMs).workMs)
  await end(clock, one)
})

test('a stopped leader is replaced within the time to live and 3 s; when it wakes it notices at once, and cannot renew', async () => {
  const { clock, key, epochs } = world()
  // The stopped process: its time continues, but its timers do not run.
  const stopped = new FakeClock()
  const first = contender(stopped, key, epochs)
  await stopped.pass(1_000)
  await clock.pass(1_000)
  assert.equal(first.seen.leads, true)
  const second = contender(clock, key, epochs)
  await clock.pass(ttlMs + 2_000)
  assert.equal(second.seen.leads, true, 'and a server may let the key expire a second late')
  await stopped.jump(ttlMs + 2_000)
  assert.equal(first.seen.leads, false)
  await stopped.pass(ttlMs / 2)
  assert.equal(key.holder(), second.nodeId)
  assert.deepEqual([first.seen.epochs, second.seen.epochs], [[1], [2]])
  await end(clock, second)
  await end(stopped, first)
})

test('a dead leader is replaced even if the server keeps its key past its time; a living leader is left alone', async () => {
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

test('when a leader steps down, another leads at once under the next epoch', async () => {
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

test('the lease is kept until work that is slow to stop has stopped', async () => {
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

test('a wiped bucket ends the term; the next leader has a later epoch', async () => {
  const { clock, key, epochs } = world()
  const both = [contender(clock, key, epochs), contender(clock, key, epochs)]
  await clock.pass(1_000)
  key.wipe()
  await clock.pass(2 * ttlMs)
  assert.equal(both.filter(({ seen }) => seen.leads).length, 1)
  assert.ok(both.some(({ seen }) => seen.leads && (seen.epochs.at(-1) ?? 0) > 1))
  await end(clock, ...both)
})

test('a node that cannot reach Postgres leaves the key to others, and contends again once it can', async () => {
  const { clock, key, epochs } = world()
  const reached = Promise.withResolvers<void>()
  const present = () => reached.promise.then(() => epochs.present())
  const cutOff = contender(clock, key, epochs, { epochs: { present, take: (...of) => epochs.take(...of) } })
  await clock.pass(2 * ttlMs)
  assert.equal(key.holder(), null)
  const other = contender(clock, key, epochs)
  await clock.pass(100)
  assert.deepEqual([cutOff.seen.epochs, other.seen.epochs], [[], [1]])
  reached.resolve()
  await clock.pass(2_000)
  other.stop.abort()
  await clock.pass(2_000)
  assert.deepEqual(cutOff.seen.epochs, [2])
  await end(clock, cutOff, other)
})

test('a node that cannot take an epoch releases the key and tries again after a pause', async () => {
  const { clock, key, epochs } = world()
  let isReadOnly = true
  const take: EpochStore['take'] = (...of) =>
    isReadOnly ? Promise.reject(new Error('Postgres is read-only')) : epochs.take(...of)
  const one = contender(clock, key, epochs, { epochs: { present: () => epochs.present(), take } })
  await clock.pass(500)
  assert.deepEqual([one.seen.epochs, key.holder()], [[], null])
  isReadOnly = false
  await clock.pass(1.5 * ttlMs)
  assert.deepEqual(one.seen.epochs, [1])
  await end(clock, one)
})

test('an epoch that cannot be written at once is written as soon as NATS answers', async () => {
  const { clock, key, epochs } = world()
  const take: EpochStore['take'] = (...of) => {
    key.fault = 'away'
    return epochs.take(...of)
  }
  const one = contender(clock, key, epochs, { epochs: { present: () => epochs.present(), take } })
  await clock.pass(1_500)
  assert.deepEqual(one.seen.epochs, [], 'no node leads under an epoch that the key does not have')
  key.fault = null
  await clock.pass(500)
  assert.deepEqual(one.seen.epochs, [1])
  await end(clock, one)
})

test('no node leads under an epoch that arrives after the deadline', async () => {
  const { clock, key, epochs } = world()
  const answer = Promise.withResolvers<void>()
  let calls = 0
  const take: EpochStore['take'] = async (...of) => {
    const taken = await epochs.take(...of)
    if (calls++ === 0) await answer.promise
    return taken
  }
  const one = contender(clock, key, epochs, { epochs: { present: () => epochs.present(), take } })
  await clock.pass(ttlMs)
  answer.resolve()
  await clock.pass(2 * ttlMs)
  assert.deepEqual(one.seen.epochs, [2])
  await end(clock, one)
})

test('a request for an epoch that Postgres carries out late, when another node leads, does not end its term', async () => {
  const { clock, key, epochs } = world()
  const carriedOut = Promise.withResolvers<void>()
  let late: Epoch | null | undefined
  const take: EpochStore['take'] = async (...of) => {
    await carriedOut.promise
    return (late = await epochs.take(...of))
  }
  const hangs = contender(clock, key, epochs, { epochs: { present: () => epochs.present(), take } })
  await clock.pass(100)
  assert.equal(key.holder(), hangs.nodeId)
  const other = contender(clock, key, epochs)
  await clock.pass(2 * ttlMs)
  assert.equal(other.seen.leads, true)
  const epoch = await epochs.present()
  carriedOut.resolve()
  await clock.pass(1_000)
  assert.equal(late, null)
  assert.deepEqual([await epochs.present(), other.seen.epochs], [epoch, [1]])
  await end(clock, hangs, other)
})

test('a node whose lease ended before it could ask for an epoch does not ask', async () => {
  const { clock, key, epochs } = world()
  const answer = Promise.withResolvers<void>()
  let puts = 0
  const put: LeaderKey['put'] = async (...of) => {
    const revision = await key.put(...of)
    if (puts++ === 0) await answer.promise
    return revision
  }
  let asked = 0
  const take: EpochStore['take'] = (...of) => (asked++, epochs.take(...of))
  const slow: LeaderKey = {
    put,
    read: (...of) => key.read(...of),
    drop: (...of) => key.drop(...of),
    onDropped: (...of) => key.onDropped(...of),
  }
  const one = contender(clock, slow, epochs, { epochs: { present: () => epochs.present(), take } })
  await clock.pass(100)
  await clock.jump(ttlMs)
  answer.resolve()
  await clock.jump(1)
  assert.equal(asked, 0)
  await clock.pass(ttlMs)
  assert.deepEqual([asked, one.seen.epochs], [1, [1]])
  await end(clock, one)
})

test('a node that finds another epoch than it saw gives its lease back, and contends again soon', async () => {
  const { clock, key, epochs } = world()
  let calls = 0
  const take: EpochStore['take'] = (...of) => {
    if (calls++ === 0) epochs.raise()
    return epochs.take(...of)
  }
  const one = contender(clock, key, epochs, { epochs: { present: () => epochs.present(), take } })
  await clock.pass(100)
  assert.deepEqual([one.seen.epochs, key.holder()], [[], null])
  await clock.pass(2_000)
  assert.deepEqual(one.seen.epochs, [2])
  await end(clock, one)
})

test('work that fails releases the lease, and is tried again after a pause', async () => {
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
