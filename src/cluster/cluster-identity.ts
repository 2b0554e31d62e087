import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/nats-core'
import { AnchorageError } from '../core/errors.ts'
import { bucketStream, clusterIdKey } from './names.ts'
import { isMissing, isStale } from './nats-error.ts'

const timeout = 2_000

/** Which anchorage cluster this NATS belongs to; null when it has no owner yet. Rejects while JetStream does not answer. */
export async function ownerOf(nc: NatsConnection): Promise<string | null> {
  try {
    const manager = await jetstreamManager(nc, { checkAPI: false, timeout })
    const message = await manager.streams.getMessage(bucketStream, { last_by_subj: clusterIdKey })
    return message?.string() ?? null
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/**
 * Makes `clusterId` the owner of this NATS unless a cluster owns it already, and returns its owner. The bucket must exist. Of several
 * clusters that try, one wins.
 */
export async function becomeOwner(nc: NatsConnection, clusterId: string): Promise<string> {
  const owner = await ownerOf(nc)
  if (owner !== null) return owner
  try {
    await jetstream(nc).publish(clusterIdKey, clusterId, { expect: { lastSubjectSequence: 0 }, timeout })
    return clusterId
  } catch (error) {
    if (!isStale(error)) throw error
    return (await ownerOf(nc)) ?? clusterId
  }
}

/** The error `invalid`, which says what to do: this NATS belongs to the cluster `owner`. */
export function foreignNats(owner: string, clusterId: string): AnchorageError {
  return new AnchorageError(
    'invalid',
    `the NATS at nats.url belongs to another anchorage cluster (${owner}; this database is of cluster ` +
      `${clusterId}): give each cluster its own NATS, or its own account in it. If the other cluster is ` +
      `gone for good, such as after its database was created again, delete the stream ${bucketStream} in ` +
      'that NATS and start this node again.',
  )
}
