import type { Link } from './connect.ts'
import { invalidationSubject } from './names.ts'
import { fieldsOf } from './wire.ts'

/**
 * A change of something that nodes keep in memory. It is told once and not kept: who misses it is only late, since what is kept is
 * good for a bounded time, and is dropped when the connection comes back.
 */
export interface Invalidated {
  cache: string
  /** Of the change, as Postgres counts them. */
  version: number
  /** What changed; null: everything. */
  key: string | null
}

/** Tells all nodes, this one included. Rejects while there is no connection. */
export function publishInvalidation(link: Link, { cache, version, key }: Invalidated): void {
  const nc = link.connection()
  if (nc === null) throw new Error('not connected to NATS')
  nc.publish(invalidationSubject, JSON.stringify({ v: 1, cache, version, key }))
}

/** Calls `listener` for each change that a node tells; returns how to stop that. What this version cannot read is ignored. */
export function onInvalidation(link: Link, listener: (change: Invalidated) => void): () => void {
  return link.subscribe(invalidationSubject, (message) => {
    const change = readInvalidation(message.string())
    if (change !== null) listener(change)
  })
}

/** The change that `text` spells; null when it is garbage or of a version that we do not know. */
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
