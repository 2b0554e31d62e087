import { TimeoutError, type NatsConnection } from '@nats-io/nats-core'
import {
  JetStreamApiError,
  jetstream,
  jetstreamManager,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream'
import type { NodeId } from '../core/ids.ts'
import { isMissing, isShortOfServers, isTaken } from './nats-error.ts'
import { jobsConsumer, jobsStream, probeSubject, streams, type Layout } from './names.ts'

const timeoutMs = 3_000

/** The progress that `makeMissing` reports. */
export interface Making {
  /** `name` was missing and exists now. */
  onMade(name: string): void
  /** `name` has fewer replicas than it should, since there are too few servers. */
  onFewer(name: string): void
}

/**
 * Creates the streams, the bucket and this node's consumer where they are missing, and updates their limits. Replicas are added but never
 * taken away. Reports each missing thing as soon as it is created, since the rest may fail. Safe to run at any time and from several nodes
 * at once. Rejects with `Leaderless` when a stream that exists does not answer.
 */
export async function makeMissing(
  nc: NatsConnection,
  nodeId: NodeId,
  layout: Layout,
  making: Making,
): Promise<void> {
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: timeoutMs })
  for (const stream of streams(layout)) {
    await makeStream(manager, stream, making)
  }
  const consumer = jobsConsumer(nodeId, layout)
  if (await makeConsumer(manager, consumer)) making.onMade(consumer.durable_name)
}

/** JetStream knows the stream, but the stream has no leader: the servers that keep it are gone, or are electing one of them. */
export class Leaderless extends Error {
  readonly stream: string

  constructor(stream: string) {
    super(`none of the servers that keep ${stream} answers for it`)
    this.name = 'Leaderless'
    this.stream = stream
  }
}

/** Whether JetStream as a whole has its quorum and this server is part of it. Only then can its word about streams be trusted. */
export async function hasQuorum(nc: NatsConnection): Promise<boolean> {
  try {
    const manager = await jetstreamManager(nc, { checkAPI: false, timeout: timeoutMs })
    await manager.streams.names().next()
    return true
  } catch {
    return false
  }
}

/** Deletes a stream, so that it can be created again. Does nothing when there is none. */
export async function deleteStream(nc: NatsConnection, name: string): Promise<void> {
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: timeoutMs })
  // The stream is deleted even when no answer comes: the servers that would answer are gone.
  await manager.streams.delete(name).catch(() => undefined)
}

/** Publishes a message that no client reads and waits for its acknowledgement. */
export async function probe(nc: NatsConnection): Promise<void> {
  await jetstream(nc, { timeout: timeoutMs }).publish(probeSubject, '')
}

/** JetStream cannot use its own files (seen: 10012 and 10049 for broken directories). */
export function isBrokenStore(error: unknown): boolean {
  return error instanceof JetStreamApiError && (error.code === 10012 || error.code === 10049)
}

async function makeStream(
  manager: JetStreamManager,
  wanted: Partial<StreamConfig> & { name: string },
  making: Making,
): Promise<void> {
  const { name, num_replicas: replicas = 1 } = wanted
  try {
    const { config, cluster } = await manager.streams.info(name)
    if (cluster !== undefined && !cluster.leader) throw new Leaderless(name)
    // Replicas are never reduced: a node that does not know all other nodes yet must not undo what those did, and fewer replicas have no
    // benefit.
    const grown = { ...wanted, num_replicas: Math.max(replicas, config.num_replicas) }
    if (!differs(grown, config)) return
    const update = (count: number): Promise<unknown> =>
      manager.streams.update(name, changeable({ ...grown, num_replicas: count }))
    return await withFewer(update, grown.num_replicas, config.num_replicas, () => making.onFewer(name))
  } catch (error) {
    if (error instanceof TimeoutError) throw new Leaderless(name)
    if (!isMissing(error)) throw error
  }
  try {
    const add = (count: number): Promise<unknown> => manager.streams.add({ ...wanted, num_replicas: count })
    await withFewer(add, replicas, 1, () => making.onFewer(name))
  } catch (error) {
    // Another node was faster. If its settings differ from ours, the next comparison settles that.
    if (!isTaken(error)) throw error
  }
  making.onMade(name)
}

/** Calls `act` with `wanted` replicas, or with `fewer` while there are too few servers for that. */
async function withFewer(
  act: (replicas: number) => Promise<unknown>,
  wanted: number,
  fewer: number,
  onFewer: () => void,
): Promise<void> {
  try {
    await act(wanted)
  } catch (error) {
    if (!isShortOfServers(error) || wanted <= fewer) throw error
    onFewer()
    await act(fewer)
  }
}

async function makeConsumer(
  manager: JetStreamManager,
  wanted: Partial<ConsumerConfig> & { durable_name: string },
): Promise<boolean> {
  try {
    const { config } = await manager.consumers.info(jobsStream, wanted.durable_name)
    if (differs(wanted, config))
      await manager.consumers.update(jobsStream, wanted.durable_name, changeable(wanted))
    return false
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  await manager.consumers.add(jobsStream, wanted)
  return true
}

/** Whether any setting in `wanted` has another value in `actual`. Settings that the server adds do not count. */
function differs(wanted: object, actual: object): boolean {
  const has: Record<string, unknown> = { ...actual }
  return Object.entries(changeable(wanted)).some(
    ([name, value]) => JSON.stringify(has[name]) !== JSON.stringify(value),
  )
}

/** The settings that can be changed in a stream or consumer that exists. */
function changeable(wanted: object): object {
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => !fixedAtBirth.has(name)))
}

/** Settings that JetStream refuses to change later. */
const fixedAtBirth: ReadonlySet<string> = new Set([
  'first_seq',
  'mem_storage',
  'persist_mode',
  'retention',
  'storage',
])
