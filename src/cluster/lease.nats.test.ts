import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { patience } from '../../testing/patience.ts'
import { FakeEpochs } from '../../testing/fakes/epochs.ts'
import { until } from '../../testing/settle.ts'
import { numberOf, type Epoch } from '../core/epoch.ts'
import { mintId } from '../core/ids.ts'
import { silentLog } from '../core/silent-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { connectNats } from './nats-link.ts'
import { natsLeaderKey } from './leader-key.ts'
import { runLease } from './lease.ts'
import { bucketStream, leaderKey } from './names.ts'
import { steadyClock, type SteadyClock } from './steady-clock.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

const ttlMs = 3_000

/** A server, and contenders with a connection each. All of them end, also when the test fails. */
async function rig({ ttlMs: ttl = ttlMs } = {}) {
  const stack = new AsyncDisposableStack()
  const nats = stack.use(await testNats(process.env))
  const child = await nats.start()
  const epochs = new FakeEpochs()
  const contender = async (clock: SteadyClock = steadyClock) => {
    const nodeId = mintId('nod')
    const link = stack.use(connectNats({ url: child.url, nodeId, log: silentLog, probeEveryMs: 200 }))
    await until('JetStream', () => link.trouble() === null)
    const stop = new AbortController()
    const seen = { epochs: new Array<number>(), leads: false }
    const onLead = async (epoch: Epoch, signal: AbortSignal): Promise<void> => {
      seen.epochs.push(numberOf(epoch))
      seen.leads = true
      await new Promise((ended) => signal.addEventListener('abort', ended))
      seen.leads = false
    }
    const options = { link, nodeId, ttlMs: ttl, clock, epochs, onLead, log: silentLog }
    const done = runLease(options, stop.signal)
    stack.defer(() => {
      stop.abort()
      return done
    })
    return { nodeId, link, seen, stop, done }
  }
  return { child, contender, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

type Contender = Awaited<ReturnType<Awaited<ReturnType<typeof rig>>['contender']>>

/** A clock whose sleepers do not wake while it is stopped, as in a process under SIGSTOP; its time continues. */
function stoppableClock() {
  let gate = Promise.resolve()
  let open = (): void => {}
  const clock: SteadyClock = {
    steadyMs: () => steadyClock.steadyMs(),
    sleep: async (ms, signal) => {
      await steadyClock.sleep(ms, signal)
      await gate
    },
  }
  const stop = (): void => {
    const next = Promise.withResolvers<void>()
    gate = next.promise
    open = next.resolve
  }
  return { clock, stop, go: () => open() }
}

/** Resolves once the leader's key was renewed twice under one epoch. */
async function renewed(one: Contender): Promise<void> {
  let epoch: unknown
  let renewals = 0
  let revision = 0
  await until('two renewals', async () => {
    const held = await natsLeaderKey(one.link).read(1_000)
    if (held === null || held.value === null || held.revision === revision) return false
    const now: unknown = JSON.parse(held.value).epoch
    renewals = now === epoch && now !== null ? renewals + 1 : 0
    ;({ revision } = held)
    epoch = now
    return renewals >= 2
  })
}

const leaderSays = async ({ link }: Contender): Promise<unknown> => {
  const held = await natsLeaderKey(link).read(1_000)
  return held === null || held.value === null ? null : JSON.parse(held.value)
}

// Each test has a server of its own, and waits for leases to end.
suite('the lease on a real nats-server', { concurrency: true }, () => {
  test('one of two contenders leads and renews, and the key names it and its epoch', async () => {
    await using it = await rig({ ttlMs: 20_000 })
    const [one, two] = [await it.contender(), await it.contender()]
    await until('a leader', () => one.seen.leads || two.seen.leads)
    await renewed(one)
    assert.deepEqual([...one.seen.epochs, ...two.seen.epochs], [1])
    const leader = one.seen.leads ? one : two
    const { token, ...value } = Object(await leaderSays(one))
    assert.deepEqual(value, { v: 1, nodeId: leader.nodeId, epoch: 1, ttlMs: 20_000 })
    assert.equal(typeof token, 'string')
  })

  test('when a leader stops, another leads without waiting for the time to live', async () => {
    // No wait in a test lasts as long as this lease.
    await using it = await rig({ ttlMs: 10 * patience.longMs })
    const one = await it.contender()
    await until('the first to lead', () => one.seen.leads)
    const two = await it.contender()
    one.stop.abort()
    await one.done
    await until('the second to lead', () => two.seen.leads)
    assert.deepEqual(two.seen.epochs, [2])
  })

  test('a leader without a connection stops in time, and another leads after the time to live', async () => {
    await using it = await rig()
    const one = await it.contender()
    await until('the first to lead', () => one.seen.leads)
    const two = await it.contender()
    await one.link[Symbol.asyncDispose]()
    await until('the second to lead', () => {
      assert.ok(!(one.seen.leads && two.seen.leads), 'both lead at once')
      return two.seen.leads
    })
    assert.equal(one.seen.leads, false)
  })

  test('a paused leader is replaced, and its late renewal is refused', async () => {
    await using it = await rig()
    const still = stoppableClock()
    const one = await it.contender(still.clock)
    await until('the first to lead', () => one.seen.leads)
    const key = natsLeaderKey(one.link)
    const two = await it.contender()
    const before = await key.read(1_000)
    assert.ok(before !== null)
    still.stop()
    await until('the second to lead', () => two.seen.leads)
    const old = (one.seen.epochs.at(-1) ?? 0) < (two.seen.epochs.at(-1) ?? 0)
    assert.ok(old, 'a later epoch')
    assert.equal(await key.put('late', before.revision, ttlMs, 1_000), null)
    const nc = one.link.connection()
    assert.ok(nc !== null)
    await assert.rejects(
      jetstream(nc).publish(leaderKey, 'late', { expect: { lastSubjectSequence: before.revision } }),
      {
        code: 10071,
      },
    )
    still.go()
    await until('the first to notice', () => !one.seen.leads)
  })

  test('a deleted bucket ends the term, and a node leads again under a later epoch', async () => {
    await using it = await rig()
    const [one, two] = [await it.contender(), await it.contender()]
    await until('a leader', () => one.seen.leads || two.seen.leads)
    const nc = one.link.connection()
    assert.ok(nc !== null)
    await (await jetstreamManager(nc)).streams.delete(bucketStream)
    one.link.repair()
    const later = ({ seen }: Contender) => seen.leads && (seen.epochs.at(-1) ?? 0) > 1
    await until('a later epoch', () => later(one) || later(two))
    // For a moment both may believe that they lead: this is what epochs are for.
    await until('one leader, whose epoch the key has', async () => {
      const leader = [one, two].find(({ seen }) => seen.leads)
      const { epoch } = Object(await leaderSays(one))
      return (
        one.seen.leads !== two.seen.leads &&
        leader !== undefined &&
        later(leader) &&
        epoch === leader.seen.epochs.at(-1)
      )
    })
  })

  test('revisions of a recreated bucket begin above all earlier ones, so an old one cannot match by chance', async () => {
    await using it = await rig()
    const one = await it.contender()
    await until('the first to lead', () => one.seen.leads)
    const key = natsLeaderKey(one.link)
    const before = await key.read(1_000)
    assert.ok(before !== null)
    const nc = one.link.connection()
    assert.ok(nc !== null)
    await (await jetstreamManager(nc)).streams.delete(bucketStream)
    one.link.repair()
    const after = await until('the new key', async () => {
      const held = await key.read(1_000).catch(() => null)
      return held !== null && held.revision !== before.revision && held
    })
    assert.ok(after.revision > before.revision)
  })

  test('a killed server that comes back within the lease does not end the term', async () => {
    await using it = await rig({ ttlMs: 20_000 })
    const one = await it.contender()
    await until('the first to lead', () => one.seen.leads)
    const { pid } = it.child
    assert.ok(pid !== null)
    process.kill(pid, 'SIGKILL')
    await until('another server', () => it.child.pid !== pid && it.child.trouble() === null)
    await until('JetStream', () => one.link.trouble() === null)
    await renewed(one)
    assert.deepEqual(one.seen, { epochs: [1], leads: true })
  })

  test('a renewed key still expires when renewing ends', async () => {
    await using it = await rig()
    const still = stoppableClock()
    const one = await it.contender(still.clock)
    await until('the first to lead', () => one.seen.leads)
    await renewed(one)
    still.stop()
    try {
      await until('the key to expire', async () => (await leaderSays(one)) === null)
    } finally {
      still.go()
    }
  })
})
