import { strict as assert } from 'node:assert'
import { jetstreamManager } from '@nats-io/jetstream'
import { JetStreamBus } from '../../src/cluster/bus.ts'
import { connectNats, type NodeNatsLink } from '../../src/cluster/nats-link.ts'
import { bucketStream, jobsStream, replicasFor } from '../../src/cluster/names.ts'
import type { NatsChild } from '../../src/cluster/nats-server.ts'
import { mintId, type NodeId } from '../../src/core/ids.ts'
import type { Job } from '../../src/core/placement.ts'
import { silentLog } from '../../src/core/silent-log.ts'
import { testNatsCluster } from './nats-cluster.ts'
import { patience } from '../patience.ts'
import { until } from '../settle.ts'

/** JetStream needs up to nine seconds to elect each of its leaders. */
export const election = { withinMs: patience.longMs }
export const leaderlessMs = 12_000
export const well = (link: NodeNatsLink) =>
  until(
    'JetStream to be well',
    () => {
      assert.equal(link.trouble(), null)
      return true
    },
    election,
  )

/** Servers, and nodes with a connection each; all are stopped even when the test fails. */
export async function natsRig(count: number, names?: readonly string[]) {
  const stack = new AsyncDisposableStack()
  const servers = stack.use(await testNatsCluster(process.env, count, {}, names))
  let size = count
  let replicas: number | null = null
  const join = (child: NatsChild) => {
    const nodeId = mintId('nod')
    const rebuilt: string[] = []
    const link = stack.use(
      connectNats({
        url: child.url,
        nodeId,
        log: silentLog,
        probeEveryMs: 200,
        leaderlessMs,
        layout: () => ({ replicas: replicas ?? replicasFor(size), alone: size === 1 }),
        onRebuilt: (what) => rebuilt.push(...what),
      }),
    )
    const bus = new JetStreamBus(link, silentLog)
    const got: Job[] = []
    const stop = new AbortController()
    const consuming = bus.consumeJobs(nodeId, 64, async (job) => void got.push(job), stop.signal)
    stack.defer(() => {
      stop.abort()
      return consuming
    })
    return { child, nodeId, link, bus, got, rebuilt }
  }
  return {
    servers,
    join,
    /** Sets how many servers the nodes believe there are. */
    resize: (to: number) => (size = to),
    /** Sets how many servers the nodes put streams on; null: as many as fit the number of servers. */
    replicate: (on: number | null) => (replicas = on),
    /** Starts all servers as one cluster, with a node on each. */
    async whole() {
      const children = await Promise.all(servers.seats.map((seat) => seat.start(servers.all)))
      const nodes = children.map(join)
      await Promise.all(nodes.map(({ link }) => well(link)))
      return nodes
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

type Member = ReturnType<Awaited<ReturnType<typeof natsRig>>['join']>

const orgId = mintId('org')
export const jobTo = (nodeId: NodeId, generation: number): Job => ({
  cid: 'bafy',
  nodeId,
  orgId,
  generation,
  attempt: 1,
})

/** Waits until a hint from `from` reaches `to`; sends it repeatedly, as the sweep would. */
export async function hintPasses(from: Member, to: Member, generation: number): Promise<void> {
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

export async function replicasOf({ link }: Member): Promise<number[]> {
  const nc = link.connection()
  if (nc === null) return []
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: 1_000 })
  const infos = await Promise.all([jobsStream, bucketStream].map((name) => manager.streams.info(name)))
  return infos.map(({ config, cluster: group }) =>
    Math.min(config.num_replicas, 1 + (group?.replicas ?? []).filter(({ current }) => current).length),
  )
}

export const inThree = (member: Member) =>
  until('three replicas', async () => (await replicasOf(member).catch(() => [])).join() === '3,3', election)
