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

/** What `makeMissing` tells while it works. */
export interface Making {
  /** It was missing and is there now. */
  onMade(name: string): void
  /** It has fewer replicas than it should, since too few servers are at hand. */
  onFewer(name: string): void
}

/**
 * Makes the streams, the bucket and this node's consumer where they are missing, and brings their limits up to date; replicas are
 * added but never taken away. Names what was missing as soon as it is made, for the rest may fail. Safe to run at any time and from
 * several nodes at once. Rejects `Leaderless` when a stream that exists does not answer.
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

/** JetStream knows the stream, but no server speaks for it: those that keep it are gone, or are electing one of them. */
export class Leaderless extends Error {
  readonly stream: string

  constructor(stream: string) {
    super(`none of the servers that keep ${stream} answers for it`)
    this.name = 'Leaderless'
    this.stream = stream
  }
}

/** JetStream as a whole has its quorum, and this server is one of it: what it says of streams is so. */
export async function hasQuorum(nc: NatsConnection): Promise<boolean> {
  try {
    const manager = await jetstreamManager(nc, { checkAPI: false, timeout: timeoutMs })
    await manager.streams.names().next()
    return true
  } catch {
    return false
  }
}

/** Deletes a stream, for it to be made anew; nothing when there is none. */
export async function deleteStream(nc: NatsConnection, name: string): Promise<void> {
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: timeoutMs })
  // Done even when no answer comes: that would be for the servers that are gone to give.
  await manager.streams.delete(name).catch(() => undefined)
}

/** Publishes a message that nobody reads and waits for its acknowledgement. */
export async function probe(nc: NatsConnection): Promise<void> {
  await jetstream(nc, { timeout: timeoutMs }).publish(probeSubject, '')
}

/** JetStream met its own files in a state that it cannot use (seen: 10012 and 10049 for broken directories). */
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
    // A node that does not know of all others yet must not undo what those do; and fewer replicas would help nobody.
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
    // Another node was faster; what differs between its wish and ours is settled at the next look.
    if (!isTaken(error)) throw error
  }
  making.onMade(name)
}

/** Does it with `wanted` replicas, or with `fewer` while there are too few servers for more. */
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

/** Whether any setting that we want is otherwise; what the server adds of its own does not count. */
function differs(wanted: object, actual: object): boolean {
  const has: Record<string, unknown> = { ...actual }
  return Object.entries(changeable(wanted)).some(
    ([name, value]) => JSON.stringify(has[name]) !== JSON.stringify(value),
  )
}

/** What may be set anew in a stream or consumer that exists. */
function changeable(wanted: object): object {
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => !fixedAtBirth.has(name)))
}

/** What JetStream refuses to change later. */
const fixedAtBirth: ReadonlySet<string> = new Set([
  'first_seq',
  'mem_storage',
  'persist_mode',
  'retention',
  'storage',
])
