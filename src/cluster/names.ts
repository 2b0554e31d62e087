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

/** Every subject, stream and bucket of anchorage, with its limits. A node id is a TypeID: it holds no dot. */

/** The stream of jobs, all hints: it may lose any of them and the sweep will notice. */
export const jobsStream = 'ANCHORAGE_JOBS'

/** The key-value bucket of what few nodes must agree on at once: `leader`, `maintenance`. */
export const clusterBucket = 'ANCHORAGE_CLUSTER'

/** The stream that is the bucket (NATS's own convention, so its tools can read it). */
export const bucketStream = `KV_${clusterBucket}`

export const leaderKey = `$KV.${clusterBucket}.leader`

/** Mirrors what Postgres says, so that nodes hear of it at once. */
export const maintenanceKey = `$KV.${clusterBucket}.maintenance`

/** Which anchorage cluster the bucket belongs to. */
export const clusterIdKey = `$KV.${clusterBucket}.cluster_id`

/** Nobody consumes it: a publish and its acknowledgement tell that the jobs' stream takes messages. */
export const probeSubject = 'pin.jobs.probe'

export const heartbeatSubjects = 'node.heartbeat.*'

/** Core NATS, not kept: the leader stepped down of its own will, so others need not wait for its lease to end. */
export const leaseReleasedSubject = 'lease.released'

/** Core NATS, not kept: something that nodes keep in memory is another by now. */
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
 * A job that is neither acknowledged nor worked on for this long is handed out again. Short, since a job that was on the
 * wire when a connection broke waits for just that: publishing it again is swallowed as a duplicate.
 */
export const ackWaitMs = 10_000

const minuteMs = 60_000

/** The servers that streams lie on. */
export interface Layout {
  /** How many servers keep each stream. */
  replicas: number
  /** There is one server, and it is this node's own. */
  alone: boolean
}

/** How many servers keep each stream when there are so many: an odd number of them, and no more than three. */
export function replicasFor(servers: number): number {
  return servers >= 3 ? 3 : 1
}

/** The two streams as they should be. */
export function streams(layout: Layout): (Partial<StreamConfig> & { name: string })[] {
  return [jobs(layout), bucket(layout)]
}

function jobs({ replicas, alone }: Layout): Partial<StreamConfig> & { name: string } {
  return {
    name: jobsStream,
    description: 'Hints to nodes to look at a placement',
    subjects: ['pin.jobs.*'],
    // By limits, not as a work queue: removing each message when it is acknowledged makes consuming 7 times slower.
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.File,
    num_replicas: replicas,
    max_age: nanos(60 * minuteMs),
    max_msgs_per_subject: 100_000,
    max_bytes: 256 * 1024 * 1024,
    max_msg_size: 16 * 1024,
    duplicate_window: nanos(2 * minuteMs),
    // One fsync a hint would cost 9 times the CPU, and disk that Postgres and Kubo need. What a crash of the only server
    // takes is hinted again (`onRebuilt`). Such a stream can never have replicas, so it is none for a cluster, which grows.
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
    // Revisions in a bucket made anew must exceed all earlier ones, or a leader's old revision could match a new one by
    // chance. Time does that, as long as the bucket takes less than a thousand writes a second.
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
    // Which hints were looked at is not worth a disk write on three servers each: it halves what NATS costs. Lost with all three, the
    // hints of an hour are looked at once more.
    ...(alone ? {} : { mem_storage: true }),
    // Of a node that was forgotten. One that comes back later makes it again, and misses nothing: jobs are long gone by then.
    inactive_threshold: nanos(24 * 60 * minuteMs),
  }
}
