import { nanos } from '@nats-io/nats-core'
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  PersistMode,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type StreamConfig,
} from '@nats-io/jetstream'
import type { NodeId } from '../core/ids.ts'

/** Every subject, stream and bucket of anchorage, with its limits. A node id is a TypeID, so it contains no dot. */

/** The stream of jobs. All of them are hints: any of them may be lost, and the sweep will notice. */
export const jobsStream = 'ANCHORAGE_JOBS'

/** The key-value bucket for the few facts that nodes must agree on at once: `leader`, `maintenance`. */
export const clusterBucket = 'ANCHORAGE_CLUSTER'

/** The stream behind the bucket. Its name follows NATS's own convention, so NATS tools can read it. */
export const bucketStream = `KV_${clusterBucket}`

export const leaderKey = `$KV.${clusterBucket}.leader`

/** Mirrors the maintenance state in Postgres, so that nodes hear of a change at once. */
export const maintenanceKey = `$KV.${clusterBucket}.maintenance`

/** Which anchorage cluster the bucket belongs to. */
export const clusterIdKey = `$KV.${clusterBucket}.cluster_id`

/** No consumer reads it. A publish that is acknowledged proves that the stream of jobs takes messages. */
export const probeSubject = 'pin.jobs.probe'

export const heartbeatSubjects = 'node.heartbeat.*'

/** Core NATS, not stored: the leader stepped down voluntarily, so other nodes need not wait for its lease to expire. */
export const leaseReleasedSubject = 'lease.released'

/** Core NATS, not stored: something that nodes cache in memory has changed. */
export const invalidationSubject = 'cache.invalidate'

export function jobSubject(nodeId: NodeId): string {
  return `pin.jobs.${nodeId}`
}

export function heartbeatSubject(nodeId: NodeId): string {
  return `node.heartbeat.${nodeId}`
}

export function consumerName(nodeId: NodeId): string {
  return `node-${nodeId}`
}

/** A pull consumer hands out no more than this many jobs that are not yet acknowledged. */
export const maxAckPending = 1024

/**
 * A job that is neither acknowledged nor reported as in progress for this long is delivered again. The time is short, because a job that
 * was in transit when a connection broke comes back only this way: publishing it again is dropped as a duplicate.
 */
export const ackWaitMs = 10_000

const minuteMs = 60_000

/** The servers that store the streams. */
export interface Layout {
  /** How many servers keep each stream. */
  replicas: number
  /** There is one server, and it is this node's own. */
  alone: boolean
}

/** How many servers keep each stream when there are `servers` of them: an odd number, and no more than three. */
export function replicasFor(servers: number): number {
  return servers >= 3 ? 3 : 1
}

/** The configuration that the two streams should have. */
export function streams(layout: Layout): (Partial<StreamConfig> & { name: string })[] {
  return [jobs(layout), bucket(layout)]
}

function jobs({ replicas, alone }: Layout): Partial<StreamConfig> & { name: string } {
  return {
    name: jobsStream,
    description: 'Hints to nodes to look at a placement',
    subjects: ['pin.jobs.*'],
    // Messages are removed by limits, not as in a work queue: removing each one when it is acknowledged makes consuming 7 times slower.
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.File,
    num_replicas: replicas,
    max_age: nanos(60 * minuteMs),
    max_msgs_per_subject: 100_000,
    max_bytes: 256 * 1024 * 1024,
    max_msg_size: 16 * 1024,
    duplicate_window: nanos(2 * minuteMs),
    // One fsync per hint would cost 9 times the CPU, and disk time that Postgres and Kubo need. Hints that a crash of the only server loses
    // are published again (`onRebuilt`). A stream with this setting can never have replicas, so a cluster does not use it: a cluster grows.
    ...(alone ? { persist_mode: PersistMode.Async } : {}),
  }
}

function bucket({ replicas }: Layout): Partial<StreamConfig> & { name: string } {
  return {
    name: bucketStream,
    description: 'What the nodes must agree on at once',
    subjects: [`$KV.${clusterBucket}.>`],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    storage: StorageType.File,
    num_replicas: replicas,
    // Revisions in a recreated bucket must exceed all earlier ones, or a leader's old revision could match a new one by chance. Starting at
    // the current time in ms ensures that, as long as the bucket takes less than a thousand writes a second.
    first_seq: Date.now(),
    max_msgs_per_subject: 1,
    max_bytes: 16 * 1024 * 1024,
    max_msg_size: 64 * 1024,
    duplicate_window: nanos(2 * minuteMs),
    allow_rollup_hdrs: true,
    deny_delete: true,
    // Reads go to the stream's leader: another replica may be behind.
    allow_direct: false,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: nanos(minuteMs),
  }
}

/** The durable consumer of one node's jobs. */
export function jobsConsumer(
  nodeId: NodeId,
  { alone }: Pick<Layout, 'alone'>,
): Partial<ConsumerConfig> & { durable_name: string } {
  return {
    durable_name: consumerName(nodeId),
    filter_subject: jobSubject(nodeId),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: maxAckPending,
    max_deliver: 20,
    max_waiting: 16,
    // Keeping the acknowledgements in memory halves the cost of NATS: they are not worth a disk write on three servers each. If all three
    // servers lose them, the hints of the last hour are looked at once more.
    ...(alone ? {} : { mem_storage: true }),
    // Removes the consumer of a node that was forgotten. A node that comes back later creates it again and misses nothing, since jobs
    // expire long before that.
    inactive_threshold: nanos(24 * 60 * minuteMs),
  }
}
