// nats-servers of its own, and no nodes: there is no ledger to hold it to.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { patience } from '../patience.ts'
import { until } from '../settle.ts'
import { mintId, type NodeId } from '../../src/core/ids.ts'
import type { Job } from '../../src/core/placement.ts'
import { quietLog, testNats } from '../../src/dev/test-nats.ts'
import { testNatsCluster } from '../../src/dev/test-nats-cluster.ts'
import { JetStreamBus } from '../../src/cluster/bus.ts'
import { makeClusterCa, makeClusterSecret, makeNodeCertificate } from '../../src/cluster/cluster-ca.ts'
import { connectCluster, type Cluster } from '../../src/cluster/connect.ts'
import { bucketStream, jobsStream, replicasFor } from '../../src/cluster/names.ts'
import type { NatsChild } from '../../src/cluster/nats-server.ts'
import { removeForgotten } from '../../src/cluster/peers.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

const election = { withinMs: patience.longMs }
const leaderlessMs = 12_000
const well = (cluster: Cluster) => until('JetStream to be well', () => cluster.trouble() === null, election)

/** Servers, and nodes with a connection each; all end also when the test fails. */
async function rig(count: number) {
  const stack = new AsyncDisposableStack()
  const servers = stack.use(await testNatsCluster(process.env, count))
  let size = count
  let replicas: number | null = null
  const join = (child: NatsChild) => {
    const nodeId = mintId('nod')
    const rebuilt: string[] = []
    const cluster = stack.use(
      connectCluster({
        url: child.url,
        nodeId,
        log: quietLog,
        probeEveryMs: 200,
        leaderlessMs,
        layout: () => ({ replicas: replicas ?? replicasFor(size), alone: size === 1 }),
        onRebuilt: (what) => rebuilt.push(...what),
      }),
    )
    const bus = new JetStreamBus(cluster, quietLog)
    const got: Job[] = []
    const stop = new AbortController()
    const consuming = bus.consumeJobs(nodeId, 64, async (job) => void got.push(job), stop.signal)
    stack.defer(() => {
      stop.abort()
      return consuming
    })
    return { child, nodeId, cluster, bus, got, rebuilt }
  }
  return {
    servers,
    join,
    /** How many servers the nodes believe there are. */
    resize: (to: number) => (size = to),
    /** How many servers the nodes put streams on, whatever their number; null: as many as fit it. */
    replicate: (on: number | null) => (replicas = on),
    /** All servers started as one cluster, and a node on each. */
    async whole() {
      const children = await Promise.all(servers.seats.map((seat) => seat.start(servers.all)))
      const nodes = children.map(join)
      await Promise.all(nodes.map(({ cluster }) => well(cluster)))
      return nodes
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

type Member = ReturnType<Awaited<ReturnType<typeof rig>>['join']>

const orgId = mintId('org')
const jobTo = (nodeId: NodeId, generation: number): Job => ({
  cid: 'bafy',
  nodeId,
  orgId,
  generation,
  attempt: 1,
})

/** A hint from `from` reaches `to`; sent again and again, as the sweep would. */
async function hintPasses(from: Member, to: Member, generation: number): Promise<void> {
  let attempt = 0
  await until(
    'a hint to pass',
    async () => {
      attempt += 1
      await from.bus.publishJobs([{ ...jobTo(to.nodeId, generation), attempt }]).catch(() => {})
      return to.got.some((job) => job.generation === generation)
    },
    election,
  )
}

async function replicasOf({ cluster }: Member): Promise<number[]> {
  const nc = cluster.connection()
  if (nc === null) return []
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: 1_000 })
  const infos = await Promise.all([jobsStream, bucketStream].map((name) => manager.streams.info(name)))
  return infos.map(({ config, cluster: group }) =>
    Math.min(config.num_replicas, 1 + (group?.replicas ?? []).filter(({ current }) => current).length),
  )
}

const inThree = (member: Member) =>
  until('three replicas', async () => (await replicasOf(member).catch(() => [])).join() === '3,3', election)

test('three servers are one JetStream: three replicas, hints pass between any two, and one that is killed, or loses its disk, changes nothing', async () => {
  await using it = await rig(3)
  const [one, two, three] = await it.whole()
  assert.ok(one && two && three)
  await inThree(one)
  await hintPasses(one, two, 1)
  await hintPasses(three, one, 2)
  assert.ok(three.child.pid !== null)
  process.kill(three.child.pid, 'SIGSTOP')
  try {
    await hintPasses(one, two, 3)
    await hintPasses(two, one, 4)
  } finally {
    process.kill(three.child.pid, 'SIGKILL')
  }
  await well(three.cluster)
  await three.child.replaceStore('a test loses its disk')
  await hintPasses(one, three, 5)
  await inThree(one)
})

test('a bucket that lay on one server only, which is gone while the other two stay, is made anew on them', async () => {
  await using it = await rig(3)
  const nodes = await it.whole()
  await Promise.all(nodes.map(inThree))
  const [one] = nodes
  const nc = one?.cluster.connection()
  assert.ok(one && nc)
  const manager = await jetstreamManager(nc, { checkAPI: false })
  // As when the cluster had just begun to form. No node may raise its replicas before the server is gone.
  it.replicate(1)
  const { config } = await manager.streams.info(bucketStream)
  await manager.streams.delete(bucketStream)
  const { cluster } = await manager.streams.add({ ...config, num_replicas: 1 })
  const lost = nodes[Number(cluster?.leader?.split('-')[1])] ?? assert.fail('nobody has it')
  assert.ok(lost.child.pid !== null)
  process.kill(lost.child.pid, 'SIGSTOP')
  it.replicate(null)
  try {
    const rest = nodes.filter((node) => node !== lost)
    const renewed = () => rest.some(({ rebuilt }) => rebuilt.includes(bucketStream))
    await until('it to be made anew', renewed, election)
    await Promise.all(rest.map(({ cluster: each }) => well(each)))
  } finally {
    process.kill(lost.child.pid, 'SIGCONT')
  }
  await Promise.all(nodes.map(inThree))
})

test('one node grows to three: each server joins by itself, replicas are raised, and hints flow again', async () => {
  await using it = await rig(3)
  it.resize(1)
  const one = it.join(await it.servers.seat(0).start(null))
  await well(one.cluster)
  await hintPasses(one, one, 1)
  it.resize(2)
  const two = it.join(await it.servers.seat(1).start([0, 1]))
  await one.child.setCluster(it.servers.seat(0).cluster([0, 1]))
  await hintPasses(one, two, 2)
  assert.deepEqual(await replicasOf(one), [1, 1])
  assert.ok(one.rebuilt.includes(jobsStream) && one.rebuilt.includes(bucketStream))
  it.resize(3)
  const three = it.join(await it.servers.seat(2).start([0, 1, 2]))
  const before = one.child.pid
  for (const [seat, member] of [one, two].entries())
    await member.child.setCluster(it.servers.seat(seat).cluster([0, 1, 2]))
  for (const { cluster } of [one, two, three]) cluster.repair()
  await inThree(one)
  await hintPasses(two, three, 3)
  await hintPasses(three, one, 4)
  assert.equal(one.child.pid, before)
})

for (const [what, change] of [
  ['secret', () => Promise.resolve({ secret: makeClusterSecret() })],
  [
    "certificate, of another CA, and trusts the cluster's",
    (it: Awaited<ReturnType<typeof rig>>) =>
      it.servers.files(makeNodeCertificate(makeClusterCa(), ['127.0.0.1'])),
  ],
] as const) {
  test(`a server with another ${what} gets no route, and says why`, async () => {
    await using it = await rig(3)
    const over = await change(it)
    const children = await Promise.all(
      it.servers.seats.map((seat, number) => seat.start(it.servers.all, number === 2 ? over : {})),
    )
    const [one, two, stranger] = children.map(it.join)
    assert.ok(one && two && stranger)
    await well(one.cluster)
    await hintPasses(one, two, 1)
    const why = await until('the reason', () => stranger.child.routeTrouble(), election)
    assert.match(why, /route|rid:/i)
    assert.notEqual(stranger.cluster.trouble(), null)
    await hintPasses(two, one, 2)
    assert.notEqual(stranger.cluster.trouble(), null)
  })
}

test('a server cut off from two others has no quorum and says so; they go on, and it comes back when the routes do', async () => {
  await using it = await rig(3)
  const [one, two, three] = await it.whole()
  assert.ok(one && two && three)
  const seat = it.servers.seat(2)
  const { pid } = three.child
  await three.child.setCluster(seat.cluster(it.servers.all, { secret: makeClusterSecret() }))
  await until('the minority to notice', () => three.cluster.trouble(), election)
  await hintPasses(one, two, 1)
  await assert.rejects(three.bus.publishJobs([jobTo(one.nodeId, 2)]))
  // Longer than a stream may be without a leader: what it does not see is no less there for that.
  await sleep(leaderlessMs * 1.3)
  const rebuilt = [one, two, three].map((node) => node.rebuilt.length)
  await three.child.setCluster(seat.cluster(it.servers.all))
  await well(three.cluster)
  await hintPasses(three, one, 3)
  await hintPasses(one, three, 4)
  assert.equal(three.child.pid, pid)
  assert.deepEqual(
    [one, two, three].map((node) => node.rebuilt.length),
    rebuilt,
  )
})

test('a server whose node was forgotten is counted no longer, and a new one takes its replicas; one that is known stays', async () => {
  await using it = await rig(4)
  const first = [0, 1, 2]
  const children = await Promise.all(first.map((number) => it.servers.seat(number).start(first)))
  const nodes = children.map(it.join)
  await Promise.all(nodes.map(({ cluster }) => well(cluster)))
  const [one, two, three] = nodes
  assert.ok(one && two && three)
  await inThree(one)
  await three.cluster[Symbol.asyncDispose]()
  await three.child[Symbol.asyncDispose]()
  const letGo = async (known: string[]) =>
    (
      await Promise.all([one, two].map(({ child }) => removeForgotten(child.systemUrl, new Set(known))))
    ).flat()
  const rest = [0, 1, 3]
  const four = it.join(await it.servers.seat(3).start(rest))
  for (const number of [0, 1]) await nodes[number]?.child.setCluster(it.servers.seat(number).cluster(rest))
  await hintPasses(one, four, 1)
  assert.deepEqual(await letGo(first.map((number) => `server-${number}`)), [])
  const gone = await until(
    'it to be let go',
    async () => {
      const ids = await letGo(rest.map((number) => `server-${number}`))
      return ids.length > 0 && ids
    },
    election,
  )
  assert.equal(gone.length, 1)
  await inThree(one)
  await hintPasses(two, four, 2)
})
