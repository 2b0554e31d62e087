// nats-servers of its own, and no nodes, so the invariants of a world do not apply.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { makeClusterSecret } from '../../src/cluster/cluster-ca.ts'
import { bucketStream, jobsStream } from '../../src/cluster/names.ts'
import { removePeers } from '../../src/cluster/peers.ts'
import { NatsMembers } from '../../src/app/nats-members.ts'
import { mintId } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/silent-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import {
  election,
  hintPasses,
  inThree,
  jobTo,
  leaderlessMs,
  natsRig,
  replicasOf,
  well,
} from '../../testing/servers/nats-rig.ts'
import { until } from '../../testing/settle.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

test('three servers are one JetStream: three replicas, hints pass between any two, and killing one, or wiping its disk, changes nothing', async () => {
  await using it = await natsRig(3)
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
  await well(three.link)
  await three.child.replaceStore('a test loses its disk')
  await hintPasses(one, three, 5)
  await inThree(one)
})

test('a bucket whose only server is gone while the other two stay is created again on them', async () => {
  await using it = await natsRig(3)
  const nodes = await it.whole()
  await Promise.all(nodes.map(inThree))
  const [one] = nodes
  const nc = one?.link.connection()
  assert.ok(one && nc)
  const manager = await jetstreamManager(nc, { checkAPI: false })
  // The state while the cluster begins to form. No node may raise its replicas before the server is gone.
  it.replicate(1)
  const { config } = await manager.streams.info(bucketStream)
  await manager.streams.delete(bucketStream)
  const { cluster } = await manager.streams.add({ ...config, num_replicas: 1 })
  const lost = nodes[Number(cluster?.leader?.split('-')[1])] ?? assert.fail('no server leads it')
  assert.ok(lost.child.pid !== null)
  process.kill(lost.child.pid, 'SIGSTOP')
  it.replicate(null)
  try {
    const rest = nodes.filter((node) => node !== lost)
    const renewed = () => rest.some(({ rebuilt }) => rebuilt.includes(bucketStream))
    await until('it to be made again', renewed, election)
    await Promise.all(rest.map(({ link: each }) => well(each)))
  } finally {
    process.kill(lost.child.pid, 'SIGCONT')
  }
  await Promise.all(nodes.map(inThree))
})

test('one node grows to three: each server joins automatically, replicas are raised, and hints flow again', async () => {
  await using it = await natsRig(3)
  it.resize(1)
  const one = it.join(await it.servers.seat(0).start(null))
  await well(one.link)
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
  for (const { link } of [one, two, three]) link.repair()
  await inThree(one)
  await hintPasses(two, three, 3)
  await hintPasses(three, one, 4)
  assert.equal(one.child.pid, before)
})

test('a server that is cut off from two others has no quorum and says so; they continue, and it recovers when the routes do', async () => {
  await using it = await natsRig(3)
  const [one, two, three] = await it.whole()
  assert.ok(one && two && three)
  const seat = it.servers.seat(2)
  const { pid } = three.child
  await three.child.setCluster(seat.cluster(it.servers.all, { secret: makeClusterSecret() }))
  await until('the minority to notice', () => three.link.trouble(), election)
  await hintPasses(one, two, 1)
  await assert.rejects(three.bus.publishJobs([jobTo(one.nodeId, 2)]))
  // Longer than a stream may be without a leader: a stream that the cut-off server cannot see must not count as lost.
  await sleep(leaderlessMs * 1.3)
  const rebuilt = [one, two, three].map((node) => node.rebuilt.length)
  await three.child.setCluster(seat.cluster(it.servers.all))
  await well(three.link)
  await hintPasses(three, one, 3)
  await hintPasses(one, three, 4)
  assert.equal(three.child.pid, pid)
  assert.deepEqual(
    [one, two, three].map((node) => node.rebuilt.length),
    rebuilt,
  )
})

test('a server whose node is forgotten is no longer counted, and a new one takes its replicas; a known server stays', async () => {
  await using it = await natsRig(4)
  const first = [0, 1, 2]
  const children = await Promise.all(first.map((number) => it.servers.seat(number).start(first)))
  const nodes = children.map(it.join)
  await Promise.all(nodes.map(({ link }) => well(link)))
  const [one, two, three] = nodes
  assert.ok(one && two && three)
  await inThree(one)
  await three.link[Symbol.asyncDispose]()
  await three.child[Symbol.asyncDispose]()
  const letGo = async (known: string[]) =>
    (await Promise.all([one, two].map(({ child }) => removePeers(child.systemUrl, new Set(known))))).flat()
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

test('three live nodes whose JetStream counts three lost servers have a quorum again within a minute', async () => {
  const ids = Array.from({ length: 6 }, () => mintId('nod'))
  await using it = await natsRig(6, ids)
  const nodes = await it.whole()
  await using stack = new AsyncDisposableStack()
  const live = nodes.slice(0, 3)
  for (const { link, child } of nodes.slice(3)) {
    await link[Symbol.asyncDispose]()
    await child[Symbol.asyncDispose]()
  }
  it.resize(3)
  const routes = ids.slice(0, 3).map((nodeId, seat) => ({
    nodeId,
    name: `node-${seat}`,
    route: it.servers.seat(seat).cluster([]).announce,
    silentMs: 0,
    served: true,
  }))
  const lost = live.map(({ link }) => until('the quorum is lost', () => link.trouble() !== null, election))
  await Promise.all(lost)
  const atMs = performance.now()
  for (const [seat, { child, link }] of live.entries()) {
    const { members: _, ...own } = it.servers.seat(seat).cluster([])
    const members = new NatsMembers({
      place: { seat: own, named: [] },
      node: { nodeId: ids[seat] ?? mintId('nod'), incarnation: 1 },
      store: { setRoute: async () => {}, routes: async () => routes },
      log: silentLog,
    })
    await members.read()
    stack.use(members.follow({ child, onChange: () => link.repair(), isWell: () => link.trouble() === null }))
  }
  await Promise.all(live.map(({ link }) => well(link)))
  process.stderr.write(`a quorum after ${((performance.now() - atMs) / 1000).toFixed(1)} s\n`)
  const [one, two] = live
  assert.ok(one && two)
  await inThree(one)
  await hintPasses(one, two, 1)
})
