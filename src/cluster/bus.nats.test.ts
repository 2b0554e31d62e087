import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/nats-core'
import { until } from '../../testing/settle.ts'
import { isCode } from '../core/errors.ts'
import { mintId, type NodeId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'
import { silentLog } from '../core/silent-log.ts'
import { recordingLog } from '../../testing/recording-log.ts'
import { testNats, type TestNats } from '../../testing/servers/nats.ts'
import { JetStreamBus } from './bus.ts'
import { connectNats, type NodeNatsLink, type NatsLinkOptions } from './nats-link.ts'
import { bucketStream, consumerName, jobsStream, jobSubject, maxAckPending } from './names.ts'
import { natsPaths } from './nats-config.ts'
import type { NatsChild } from './nats-server.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

const nodeId = mintId('nod')
const orgId = mintId('org')
const job = (n: number, to: NodeId = nodeId): Job => ({
  cid: `bafy${n}`,
  nodeId: to,
  orgId,
  generation: n,
  attempt: 1,
})
const jobsTo = (count: number, from = 0): Job[] => Array.from({ length: count }, (_, n) => job(from + n))
const well = (link: NodeNatsLink) => until('JetStream to be well', () => link.trouble() === null)
const connection = (link: NodeNatsLink): NatsConnection => {
  const nc = link.connection()
  assert.ok(nc !== null)
  return nc
}

/** A server, a connection and a bus, which end in the right order, also when the test fails. */
async function rig(options: Partial<NatsLinkOptions> = {}, serverLog = silentLog) {
  const stack = new AsyncDisposableStack()
  const nats: TestNats = stack.use(await testNats(process.env))
  const child: NatsChild = await nats.start({ log: serverLog })
  let current = child
  const rebuilt: string[][] = []
  const link = stack.use(
    connectNats({
      url: child.url,
      nodeId,
      log: silentLog,
      probeEveryMs: 200,
      onRebuilt: (what) => rebuilt.push(what),
      onBrokenStore: (reason) => void current.replaceStore(reason),
      ...options,
    }),
  )
  const stop = new AbortController()
  const log = recordingLog()
  const bus = new JetStreamBus(link, log)
  const consuming: Promise<void>[] = []
  stack.defer(async () => {
    stop.abort()
    await Promise.all(consuming)
  })
  await well(link)
  return {
    nats,
    child,
    link,
    bus,
    log,
    rebuilt,
    stop,
    /** Sets the server whose store is replaced from now on. */
    restartOn: (later: NatsChild) => (current = later),
    consume: (maxPending: number, onJob: (job: Job) => Promise<void>) => {
      consuming.push(bus.consumeJobs(nodeId, maxPending, onJob, stop.signal))
      return consuming.at(-1)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Consumes jobs into a list. */
function collect(rigged: Awaited<ReturnType<typeof rig>>, maxPending = 64): Job[] {
  const got: Job[] = []
  void rigged.consume(maxPending, (one) => {
    got.push(one)
    return Promise.resolve()
  })
  return got
}

const kill = async (child: NatsChild): Promise<void> => {
  const { pid } = child
  assert.ok(pid !== null)
  process.kill(pid, 'SIGKILL')
  await until('the death to be noticed', () => child.pid !== pid)
}

test('jobs arrive unchanged, and only at their own node', async () => {
  await using it = await rig()
  const got = collect(it)
  const unpin: Job = { ...job(7), orgId: null }
  await it.bus.publishJobs([job(1), unpin, job(2, mintId('nod')), job(3)])
  await until('three jobs', () => got.length >= 3)
  assert.deepEqual(got, [job(1), unpin, job(3)])
})

test('a hint is delivered once, and again for each pin that brings origins for running work', async () => {
  await using it = await rig()
  const got = collect(it)
  const [one, other] = [mintId('pin'), mintId('pin')]
  for (const wokenBy of [one, one, other]) await it.bus.publishJobs([job(1), { ...job(1), wokenBy }])
  await it.bus.publishJobs([job(2)])
  await until('all to arrive', () => got.some(({ cid }) => cid === job(2).cid))
  assert.deepEqual(got, [job(1), job(1), job(1), job(2)])
})

test('streams, bucket and consumer are created once, with their limits, and are reported', async () => {
  await using it = await rig()
  assert.deepEqual(it.rebuilt, [[jobsStream, bucketStream, consumerName(nodeId)]])
  const manager = await jetstreamManager(connection(it.link))
  const { config } = await manager.streams.info(jobsStream)
  assert.equal(config.max_age, 3_600e9)
  assert.equal(config.discard, 'old')
  assert.equal(config.duplicate_window, 120e9)
  assert.ok(config.max_bytes > 0 && config.max_msgs_per_subject > 0)
  const bucket = (await manager.streams.info(bucketStream)).config
  assert.equal(bucket.allow_msg_ttl, true)
  assert.ok((bucket.subject_delete_marker_ttl ?? 0) > 0)
})

test('limits of an older version are updated, and nothing is reported as rebuilt', async () => {
  await using it = await rig()
  const manager = await jetstreamManager(connection(it.link))
  await manager.streams.update(jobsStream, { max_msgs_per_subject: 5 })
  it.link.repair()
  await until('the limit of today', async () => {
    return (await manager.streams.info(jobsStream)).config.max_msgs_per_subject === 100_000
  })
  assert.equal(it.rebuilt.length, 1)
})

test('a hint sent twice arrives once; the same placement with another attempt arrives again', async () => {
  await using it = await rig()
  const got = collect(it)
  await it.bus.publishJobs([job(1), job(1)])
  await it.bus.publishJobs([job(1), { ...job(1), attempt: 2 }])
  await until('both attempts', () => got.length >= 2)
  const manager = await jetstreamManager(connection(it.link))
  await until('all to be acknowledged', async () => {
    const info = await manager.consumers.info(jobsStream, consumerName(nodeId))
    return info.num_pending === 0 && info.num_ack_pending === 0
  })
  assert.deepEqual(
    got.map(({ attempt }) => attempt),
    [1, 2],
  )
})

test('at most maxPending jobs are worked on at once, and the rest follow', async () => {
  await using it = await rig()
  let inHand = 0
  let most = 0
  let done = 0
  const gates: (() => void)[] = []
  void it.consume(8, async () => {
    most = Math.max(most, ++inHand)
    await new Promise<void>((open) => gates.push(open))
    inHand -= 1
    done += 1
  })
  await it.bus.publishJobs(jobsTo(100))
  await until('a full hand', () => gates.length === 8)
  await until('all jobs', () => {
    gates.splice(0).forEach((open) => open())
    return done === 100
  })
  assert.equal(most, 8)
})

test('a job whose row could not be looked at is delivered again', async () => {
  await using it = await rig()
  let calls = 0
  void it.consume(4, () => {
    calls += 1
    return calls === 1 ? Promise.reject(new Error('Postgres is away')) : Promise.resolve()
  })
  await it.bus.publishJobs([job(1)])
  await until('a second call', () => calls === 2)
})

test('malformed jobs and jobs of unknown versions are dropped for good, counted, and warned about once', async () => {
  await using it = await rig()
  const got = collect(it)
  const js = jetstream(connection(it.link))
  for (const body of ['', 'garbage', '[]', 'null', '{"v":2,"cid":"x"}', '{"v":1,"cid":"x","org":7}']) {
    await js.publish(jobSubject(nodeId), body)
  }
  await it.bus.publishJobs([job(1)])
  await until('the good one', () => got.length === 1)
  const manager = await jetstreamManager(connection(it.link))
  await until('nothing to be left', async () => {
    const info = await manager.consumers.info(jobsStream, consumerName(nodeId))
    return info.num_ack_pending === 0 && info.num_redelivered === 0
  })
  assert.equal(it.bus.counts.unreadable, 6)
  assert.equal(it.log.said.length, 1)
})

test('while the server is down, publishing rejects with unavailable; once it is back, jobs flow again', async () => {
  await using it = await rig()
  const got = collect(it)
  await it.bus.publishJobs([job(1)])
  await until('the first', () => got.length === 1)
  const { pid } = it.child
  assert.ok(pid !== null)
  process.kill(pid, 'SIGSTOP')
  await assert.rejects(it.bus.publishJobs(jobsTo(600, 10)), (error) => isCode(error, 'unavailable'))
  await until('trouble', () => it.link.trouble())
  await kill(it.child)
  await assert.rejects(it.bus.publishJobs([job(2)]), (error) => isCode(error, 'unavailable'))
  await well(it.link)
  await it.bus.publishJobs(jobsTo(50, 100))
  await until('the later ones', () => got.filter(({ generation }) => generation >= 100).length === 50)
  await until('the restart to be reported', () => it.rebuilt.at(-1)?.includes('nats-server'))
})

test('a store that was wiped while the server was down is rebuilt and reported, and consuming continues', async () => {
  await using it = await rig()
  const got = collect(it)
  await it.child[Symbol.asyncDispose]()
  await until('trouble', () => it.link.trouble())
  await rm(natsPaths(it.nats.dir).store, { recursive: true })
  await it.nats.start()
  await well(it.link)
  await it.bus.publishJobs([job(1)])
  await until('the job', () => got.length === 1)
  assert.ok(it.rebuilt[1]?.includes(jobsStream) && it.rebuilt[1].includes(bucketStream))
})

test('a store that is wiped under a running server is rebuilt after the server is killed', async () => {
  await using it = await rig()
  const got = collect(it)
  await rm(natsPaths(it.nats.dir).store, { recursive: true })
  await kill(it.child)
  await until('a rebuilt stream', () => it.rebuilt[1]?.includes(jobsStream))
  await well(it.link)
  await it.bus.publishJobs([job(1)])
  await until('the job', () => got.length === 1)
})

test('a store with only corrupt files is logged, and everything in it is created again', async () => {
  await using it = await rig()
  const got = collect(it)
  await it.child[Symbol.asyncDispose]()
  const { store } = natsPaths(it.nats.dir)
  for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) await writeFile(join(entry.parentPath, entry.name), 'garbage')
  }
  const log = recordingLog()
  // Some versions of the server skip files that they cannot read; others fail on them until the store is moved aside.
  it.restartOn(await it.nats.start({ log }))
  await until('all to be made again', () => {
    const made = it.rebuilt.slice(1).flat()
    return [jobsStream, bucketStream, consumerName(nodeId)].every((name) => made.includes(name))
  })
  await well(it.link)
  await it.bus.publishJobs([job(1)])
  await until('the job', () => got.length === 1)
  assert.ok(log.said.some((line) => line.includes(jobsStream)))
})

test('a store in which JetStream cannot create missing streams is moved aside, and an empty one takes its place', async () => {
  const log = recordingLog()
  await using it = await rig({}, log)
  const got = collect(it)
  const jetStreamDir = join(natsPaths(it.nats.dir).store, 'jetstream')
  await rm(jetStreamDir, { recursive: true })
  await symlink('a disk that is gone', jetStreamDir)
  await deleteStream(connection(it.link))
  await until('all to be made again', () => it.rebuilt.slice(1).flat().includes(bucketStream))
  await well(it.link)
  await it.bus.publishJobs([job(1)])
  await until('the job', () => got.length === 1)
  assert.ok(log.said.some((line) => line.includes('empty store')))
  const aside = (await readdir(it.nats.dir)).filter((name) => name.startsWith('store.broken-'))
  assert.equal(aside.length, 1)
})

for (const [what, remove] of [
  ['consumer', (nc: NatsConnection) => deleteConsumer(nc)],
  ['stream', (nc: NatsConnection) => deleteStream(nc)],
] as const) {
  test(`a ${what} that is deleted while the node runs is created again within seconds`, async () => {
    await using it = await rig()
    const got = collect(it)
    await it.bus.publishJobs([job(1)])
    await until('the first', () => got.length === 1)
    await remove(connection(it.link))
    await until('it to be made again', () => it.rebuilt[1]?.includes(consumerName(nodeId)))
    await well(it.link)
    await it.bus.publishJobs([job(2)])
    await until('the second', () => got.some(({ generation }) => generation === 2))
  })
}

async function deleteConsumer(nc: NatsConnection): Promise<void> {
  await (await jetstreamManager(nc)).consumers.delete(jobsStream, consumerName(nodeId))
}

async function deleteStream(nc: NatsConnection): Promise<void> {
  await (await jetstreamManager(nc)).streams.delete(jobsStream)
}

test('a node connects as soon as its server is up, even if the node started first', async () => {
  await using nats = await testNats(process.env)
  const child = await nats.start()
  await child[Symbol.asyncDispose]()
  await using link = connectNats({ url: child.url, nodeId, log: silentLog })
  const trouble = await until('trouble', () => link.trouble()?.startsWith('cannot connect') && link.trouble())
  assert.doesNotMatch(trouble, new RegExp(new URL(child.url).password))
  await nats.start()
  await well(link)
})

test('jobs in progress when the signal aborts are finished and acknowledged before consuming ends', async () => {
  await using it = await rig()
  const gate = Promise.withResolvers<void>()
  let done = 0
  const consuming = it.consume(8, async () => {
    await gate.promise
    done += 1
  })
  await it.bus.publishJobs(jobsTo(4))
  const manager = await jetstreamManager(connection(it.link))
  const unacked = async () => (await manager.consumers.info(jobsStream, consumerName(nodeId))).num_ack_pending
  await until('four in hand', async () => (await unacked()) === 4)
  it.stop.abort()
  gate.resolve()
  await consuming
  assert.equal(done, 4)
  await until('four acknowledged', async () => (await unacked()) === 0)
})

test('five thousand jobs are delivered, each once', async () => {
  await using it = await rig()
  const seen = new Map<number, number>()
  void it.consume(maxAckPending, ({ generation }) => {
    seen.set(generation, (seen.get(generation) ?? 0) + 1)
    return Promise.resolve()
  })
  await it.bus.publishJobs(jobsTo(5_000))
  await until('all', () => seen.size === 5_000)
  assert.ok([...seen.values()].every((times) => times === 1))
})
