import { parseId, type NodeId } from '../core/ids.ts'
import type { Job } from '../core/placement.ts'

/** The version that this program writes; it reads no other. */
const version = 1

/** Writes a job as it is sent. Its node is in the subject. */
export function writeJob(job: Job): string {
  const { cid, orgId, generation, attempt, traceparent } = job
  return JSON.stringify({ v: version, cid, org: orgId, generation, attempt, traceparent })
}

/** Two hints with the same id are the same hint: JetStream drops the second one within two minutes. */
export function jobMessageId({ cid, nodeId, generation, attempt, wokenBy }: Job): string {
  return [cid, nodeId, generation, attempt, ...(wokenBy === undefined ? [] : [wokenBy])].join(':')
}

/** Parses a job for `nodeId`; null when `text` is malformed or of an unknown version. */
export function readJob(nodeId: NodeId, text: string): Job | null {
  try {
    const { v, cid, org, generation, attempt, traceparent } = record(JSON.parse(text))
    if (v !== version || typeof cid !== 'string' || cid === '') return null
    if (!isCount(generation) || !isCount(attempt)) return null
    const orgId = org === null ? null : typeof org === 'string' ? parseId('org', org) : undefined
    if (orgId === undefined) return null
    const job = { cid, nodeId, orgId, generation, attempt }
    return typeof traceparent === 'string' ? { ...job, traceparent } : job
  } catch {
    return null
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
