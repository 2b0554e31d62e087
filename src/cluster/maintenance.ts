import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/nats-core'
import type { Maintenance } from '../core/ports.ts'
import type { Link } from './connect.ts'
import { bucketStream, maintenanceKey } from './names.ts'
import { isMissing } from './nats-error.ts'
import { fieldsOf } from './wire.ts'

const timeoutMs = 2_000

/** Writes the key. Postgres has it already: this only makes nodes look there at once. Rejects while JetStream is away. */
export async function putMaintenance(link: Link, maintenance: Maintenance): Promise<void> {
  await jetstream(connectionOf(link)).publish(maintenanceKey, writeMaintenance(maintenance), {
    timeout: timeoutMs,
  })
}

/** Removes the key. As `putMaintenance`. */
export async function clearMaintenance(link: Link): Promise<void> {
  const operation = headers()
  operation.set('KV-Operation', 'DEL')
  await jetstream(connectionOf(link)).publish(maintenanceKey, '', { headers: operation, timeout: timeoutMs })
}

/** What the key says; null when there is none, or none that this version can read. */
export async function readMaintenanceKey(link: Link): Promise<Maintenance | null> {
  try {
    const options = { checkAPI: false, timeout: timeoutMs }
    const manager = await jetstreamManager(connectionOf(link), options)
    const message = await manager.streams.getMessage(bucketStream, { last_by_subj: maintenanceKey })
    return message === null ? null : readMaintenance(message.string())
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** Makes the key say what Postgres says, after the bucket was made anew or a write of the key was lost; true when it did not. */
export async function mirrorMaintenance(link: Link, maintenance: Maintenance | null): Promise<boolean> {
  const mirrored = await readMaintenanceKey(link)
  const text = (of: Maintenance | null): string => (of === null ? '' : writeMaintenance(of))
  if (text(mirrored) === text(maintenance)) return false
  if (maintenance === null) await clearMaintenance(link)
  else await putMaintenance(link, maintenance)
  return true
}

/**
 * Calls `onChange` whenever the key is written, and at each new connection, since a write may have been missed. It is told no
 * more than that: Postgres has the truth. Returns how to stop that.
 */
export function watchMaintenance(link: Link, onChange: () => void): () => void {
  const offs = [link.subscribe(maintenanceKey, onChange), link.onConnected(onChange)]
  return () => offs.forEach((off) => off())
}

export function writeMaintenance({ reason, actor, since, until }: Maintenance): string {
  return JSON.stringify({
    v: 1,
    reason,
    actor,
    since: since.toISOString(),
    until: until?.toISOString() ?? null,
  })
}

/** The maintenance that `text` spells; null when it is garbage, or a marker of deletion, or of a version that we do not know. */
export function readMaintenance(text: string): Maintenance | null {
  try {
    const { v, reason, actor, since, until } = fieldsOf(text)
    if (v !== 1 || typeof reason !== 'string' || typeof actor !== 'string') return null
    const begun = dateOf(since)
    if (begun === null || (until !== null && dateOf(until) === null)) return null
    return { reason, actor, since: begun, until: dateOf(until) }
  } catch {
    return null
  }
}

function dateOf(value: unknown): Date | null {
  const date = new Date(typeof value === 'string' ? value : NaN)
  return Number.isNaN(date.getTime()) ? null : date
}

function connectionOf(link: Link): NatsConnection {
  const nc = link.connection()
  if (nc === null) throw new Error('not connected to NATS')
  return nc
}
