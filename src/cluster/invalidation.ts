import type { NatsLink } from './nats-link.ts'
import { invalidationSubject } from './names.ts'
import { fieldsOf } from './wire.ts'

/**
 * A change of something that nodes cache in memory. It is published once and not stored. A node that misses it is only late: a cached entry
 * is valid for a bounded time, and is dropped when the connection comes back.
 */
export interface Invalidated {
  cache: string
  /** The version of the change, as Postgres counts them. */
  version: number
  /** The key that changed; null: all keys. */
  key: string | null
}

/** Tells all nodes, this one included. Throws while there is no connection. */
export function publishInvalidation(link: NatsLink, { cache, version, key }: Invalidated): void {
  const nc = link.connection()
  if (nc === null) throw new Error('not connected to NATS')
  nc.publish(invalidationSubject, JSON.stringify({ v: 1, cache, version, key }))
}

/**
 * Calls `listener` for each change that a node publishes. Returns a function that stops this. Messages that this version cannot read are
 * ignored.
 */
export function onInvalidation(link: NatsLink, listener: (change: Invalidated) => void): () => void {
  return link.subscribe(invalidationSubject, (message) => {
    const change = readInvalidation(message.string())
    if (change !== null) listener(change)
  })
}

/** Parses a change; null when `text` is malformed or of an unknown version. */
export function readInvalidation(text: string): Invalidated | null {
  try {
    const { v, cache, version, key = null } = fieldsOf(text)
    if (v !== 1 || typeof cache !== 'string' || typeof version !== 'number') return null
    if (!Number.isSafeInteger(version) || version < 0) return null
    return key === null || typeof key === 'string' ? { cache, version, key } : null
  } catch {
    return null
  }
}
