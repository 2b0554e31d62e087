import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/nats-core'
import type { Maintenance } from '../core/maintenance.ts'
import type { NatsLink } from './nats-link.ts'
import { bucketStream, maintenanceKey } from './names.ts'
import { isMissing } from './nats-error.ts'
import { fieldsOf } from './wire.ts'

const timeoutMs = 2_000

/** Writes the key. Postgres has the change already; the key only makes nodes look there at once. Rejects while JetStream is away. */
export async function putMaintenance(link: NatsLink, maintenance: Maintenance): Promise<void> {
  await jetstream(connectionOf(link)).publish(maintenanceKey, writeMaintenance(maintenance), {
    timeout: timeoutMs,
  })
}

/** Removes the key. Rejects like `putMaintenance`. */
export async function clearMaintenance(link: NatsLink): Promise<void> {
  const operation = headers()
  operation.set('KV-Operation', 'DEL')
  await jetstream(connectionOf(link)).publish(maintenanceKey, '', { headers: operation, timeout: timeoutMs })
}

/** The maintenance in the key; null when there is none, or none that this version can read. */
export async function readMaintenanceKey(link: NatsLink): Promise<Maintenance | null> {
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

/** Makes the key match Postgres, after the bucket was recreated or a write of the key was lost. True when the key was changed. */
export async function mirrorMaintenance(link: NatsLink, maintenance: Maintenance | null): Promise<boolean> {
  const mirrored = await readMaintenanceKey(link)
  const text = (of: Maintenance | null): string => (of === null ? '' : writeMaintenance(of))
  if (text(mirrored) === text(maintenance)) return false
  if (maintenance === null) await clearMaintenance(link)
  else await putMaintenance(link, maintenance)
  return true
}

/**
 * Calls `onChange` whenever the key is written, and at each new connection, since a write may have been missed. The call has no details:
 * the truth is in Postgres. Returns a function that stops this.
 */
export function watchMaintenance(link: NatsLink, onChange: () => void): () => void {
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

/** Parses a maintenance; null when `text` is malformed, a deletion marker, or of an unknown version. */
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

function connectionOf(link: NatsLink): NatsConnection {
  const nc = link.connection()
  if (nc === null) throw new Error('not connected to NATS')
  return nc
}
