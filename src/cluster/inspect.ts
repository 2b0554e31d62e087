import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/nats-core'
import { AnchorageError } from '../core/errors.ts'
import { foreignNats, ownerOf } from './cluster-identity.ts'
import { dial } from './dial.ts'
import { probe } from './jetstream.ts'
import { jobsStream } from './names.ts'
import { explain, isMissing } from './nats-error.ts'
import { fieldsOf } from './wire.ts'

/** JetStream as a client sees it. */
export interface JetStreamFacts {
  /** The version of the server that answered. */
  version: string
  /** The stream of jobs exists: a node has created it. */
  hasStreams: boolean
  /** How many servers keep that stream, and how many of them are offline now. */
  replicas: number
  offline: number
  /** How long a real message took to be acknowledged; null while there is no stream to take it. */
  acknowledgedInMs: number | null
}

/** The servers of a cluster as their system account sees them. */
export interface ServersFacts {
  /** How many servers answered, and how many JetStream counts (1: the server runs alone). */
  answered: number
  counted: number
  /** JetStream has a leader; always true for a server that runs alone. */
  hasLeader: boolean
  /** Servers that acknowledge a message before it is on their disk. */
  lazy: string[]
}

/**
 * Connects as a node would, publishes one message that no client reads, and waits for its acknowledgement. `clusterId` is as for
 * `connectOnce`. Rejects with `unavailable` when there is no connection or no JetStream, and with `invalid` when the NATS belongs to
 * another cluster.
 */
export async function inspectJetStream(url: string, clusterId?: string): Promise<JetStreamFacts> {
  return await withConnection(url, async (nc) => {
    const owner = clusterId === undefined ? null : await ownerOf(nc)
    if (clusterId !== undefined && owner !== null && owner !== clusterId) throw foreignNats(owner, clusterId)
    const manager = await jetstreamManager(nc, { timeout: 3_000 })
    const version = nc.info?.version ?? 'unknown'
    try {
      const { config, cluster } = await manager.streams.info(jobsStream)
      const offline = cluster?.replicas?.filter(({ offline: isAway }) => isAway).length ?? 0
      const startedAt = performance.now()
      await probe(nc)
      const acknowledgedInMs = performance.now() - startedAt
      return { version, hasStreams: true, replicas: config.num_replicas, offline, acknowledgedInMs }
    } catch (error) {
      if (!isMissing(error)) throw error
      return { version, hasStreams: false, replicas: 0, offline: 0, acknowledgedInMs: null }
    }
  })
}

/** How long to wait for answers: the number of servers is not known beforehand. */
const gatherMs = 700

/**
 * Asks all servers of the cluster. `systemUrl` leads to this node's server, with the login of its system account. Rejects like
 * `inspectJetStream`.
 */
export async function inspectServers(systemUrl: string): Promise<ServersFacts> {
  return await withConnection(systemUrl, async (nc) => {
    const answers = await nc.requestMany('$SYS.REQ.SERVER.PING.JSZ', '{}', {
      strategy: 'timer',
      maxWait: gatherMs,
    })
    const facts: ServersFacts = { answered: 0, counted: 1, hasLeader: true, lazy: [] }
    for await (const answer of answers) {
      const { server, data } = fieldsOf(answer.string())
      const { meta_cluster: meta, config } = record(data)
      facts.answered += 1
      if (record(config)['sync_always'] !== true) facts.lazy.push(String(record(server)['name']))
      if (meta === undefined) continue
      const { cluster_size: size, leader } = record(meta)
      facts.counted = Math.max(facts.counted, Number(size))
      if (typeof leader !== 'string' || leader === '') facts.hasLeader = false
    }
    return facts
  })
}

async function withConnection<T>(url: string, work: (nc: NatsConnection) => Promise<T>): Promise<T> {
  const nc = await dial(url, 'doctor').catch((cause: unknown) => {
    throw new AnchorageError('unavailable', `NATS cannot be reached: ${explain(cause)}`, { cause })
  })
  try {
    return await work(nc)
  } catch (cause) {
    if (cause instanceof AnchorageError) throw cause
    throw new AnchorageError('unavailable', `JetStream does not answer: ${explain(cause)}`, { cause })
  } finally {
    await nc.close()
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
