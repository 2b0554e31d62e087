import type { NatsConnection } from '@nats-io/nats-core'
import {
  JetStreamApiError,
  jetstream,
  jetstreamManager,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream'
import type { NodeId } from '../core/ids.ts'
import { isMissing, isTaken } from './nats-error.ts'
import { jobsConsumer, jobsStream, probeSubject, streams } from './names.ts'

const timeoutMs = 3_000

/**
 * Makes the streams, the bucket and this node's consumer where they are missing, and brings their limits up to date.
 * Names what was missing as soon as it is made, for the rest may fail. Safe to run at any time and from several nodes at once.
 */
export async function makeMissing(
  nc: NatsConnection,
  nodeId: NodeId,
  replicas: number,
  onMade: (name: string) => void,
): Promise<void> {
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: timeoutMs })
  for (const stream of streams(replicas)) {
    if (await makeStream(manager, stream)) onMade(stream.name)
  }
  const consumer = jobsConsumer(nodeId)
  if (await makeConsumer(manager, consumer)) onMade(consumer.durable_name)
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
): Promise<boolean> {
  try {
    const { config } = await manager.streams.info(wanted.name)
    if (differs(wanted, config)) await manager.streams.update(wanted.name, changeable(wanted))
    return false
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  try {
    await manager.streams.add(wanted)
  } catch (error) {
    // Another node was faster; what differs between its wish and ours is settled at the next look.
    if (!isTaken(error)) throw error
  }
  return true
}

async function makeConsumer(
  manager: JetStreamManager,
  wanted: Partial<ConsumerConfig> & { durable_name: string },
): Promise<boolean> {
  try {
    const { config } = await manager.consumers.info(jobsStream, wanted.durable_name)
    if (differs(wanted, config)) await manager.consumers.update(jobsStream, wanted.durable_name, wanted)
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
const fixedAtBirth: ReadonlySet<string> = new Set(['first_seq', 'persist_mode', 'retention', 'storage'])
