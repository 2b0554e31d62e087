import type { AuditId, OrgId } from './ids.ts'

export interface AuditEntry {
  id: AuditId
  at: Date
  orgId: OrgId | null
  actor: string
  action: string
  target: string
  details: unknown
}

export type AuditCursor = Pick<AuditEntry, 'at' | 'id'>
