import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/nats-core'
import type { NodeNatsLink } from './nats-link.ts'
import { bucketStream, leaderKey, leaseReleasedSubject } from './names.ts'
import { isMissing, isStale } from './nats-error.ts'

/** The key's last message. `value` is null when the key was deleted or expired and only a marker is left. */
export interface Held {
  revision: number
  value: string | null
}

/** The one key that decides who leads. Every write is a compare-and-set on its revision. */
export interface LeaderKey {
  /** Returns the new revision, or null when the key's revision is not `expected` (0: the key does not exist). */
  put(value: string, expected: number, ttlMs: number, timeoutMs: number): Promise<number | null>
  /** Reads the revision for the next compare-and-set. Never use it to decide who leads. */
  read(timeoutMs: number): Promise<Held | null>
  /** Deletes the key if its revision is still `expected`, and notifies the nodes that wait for it. */
  drop(expected: number, timeoutMs: number): Promise<void>
  /** Calls `listener` when a leader steps down voluntarily. Returns a function that stops this. */
  onDropped(listener: () => void): () => void
}

/**
 * The leader's key in the cluster's bucket. It is written with plain publishes: the key-value client's own `update` drops the time to live,
 * so the key would never expire.
 */
export function natsLeaderKey(link: NodeNatsLink): LeaderKey {
  const connection = (): NatsConnection => {
    const nc = link.connection()
    if (nc === null) throw new Error('not connected to NATS')
    return nc
  }
  return {
    async put(value, expected, ttlMs, timeout) {
      try {
        const options = { ttl: `${ttlMs}ms`, expect: { lastSubjectSequence: expected }, timeout }
        return (await jetstream(connection()).publish(leaderKey, value, options)).seq
      } catch (error) {
        if (isStale(error)) return null
        throw error
      }
    },
    async read(timeout) {
      try {
        const manager = await jetstreamManager(connection(), { checkAPI: false, timeout })
        const message = await manager.streams.getMessage(bucketStream, { last_by_subj: leaderKey })
        if (message === null) return null
        const value = message.string()
        // Markers of deletion and expiry are empty; a lease never is.
        return { revision: message.seq, value: value === '' ? null : value }
      } catch (error) {
        if (isMissing(error)) return null
        throw error
      }
    },
    async drop(expected, timeout) {
      const operation = headers()
      operation.set('KV-Operation', 'DEL')
      const options = { headers: operation, expect: { lastSubjectSequence: expected }, timeout }
      const nc = connection()
      await jetstream(nc).publish(leaderKey, '', options)
      nc.publish(leaseReleasedSubject)
    },
    onDropped: (listener) => link.subscribe(leaseReleasedSubject, listener),
  }
}
