import type { AuditCursor, AuditEntry } from '../core/audit.ts'
import { idOf, mintId, uuidOf, type OrgId } from '../core/ids.ts'
import type { AuditStore } from '../core/ports.ts'
import type { Database, SystemTx, OrgTx } from './database.ts'
import { fromText } from './text.ts'

/** Writes one line of the audit log, in the transaction of the change that it records. */
export async function audit(
  tx: SystemTx | OrgTx,
  entry: { orgId?: OrgId; actor: string; action: string; target: string; details?: object },
): Promise<void> {
  await tx.query(
    `insert into audit_log (id, org_id, actor, action, target, details) values ($1, $2, $3, $4, $5, $6)`,
    [
      uuidOf(mintId('aud')),
      entry.orgId === undefined ? null : uuidOf(entry.orgId),
      entry.actor,
      entry.action,
      entry.target,
      entry.details ?? null,
    ],
  )
}

/** At least this many months are kept, so that an intruder with the system's password cannot erase the latest ones. */
export const leastAuditMonths = 3

export function auditStore(db: Database): AuditStore {
  return {
    async drop(months, limit) {
      const [dropped] = await db.statement.query<{ months: string[]; lines: number }>(
        'select months, lines from audit_drop($1, $2, $3, $4)',
        [months, limit, uuidOf(mintId('aud')), 'prune'],
      )
      return dropped ?? { months: [], lines: 0 }
    },
  }
}

/** A line becomes visible when its transaction commits. A reader that follows the log stays this far behind, so that it misses no line. */
const lateMs = 2_000

interface AuditRow {
  id: string
  at: Date
  org_id: string | null
  actor: string
  action: string
  target: string
  details: unknown
}

/** Newest first. With `after`: the lines after it, oldest first, leaving out the last two seconds. */
export async function readAudit(
  tx: SystemTx | OrgTx,
  {
    limit,
    orgId,
    after,
    before,
  }: { limit: number; orgId?: OrgId; after?: AuditCursor; before?: AuditCursor },
): Promise<AuditEntry[]> {
  const params: unknown[] = [limit]
  const wheres: string[] = []
  if (orgId !== undefined) wheres.push(`org_id = $${params.push(uuidOf(orgId))}`)
  if (after !== undefined) {
    const [at, id] = [params.push(after.at), params.push(uuidOf(after.id))]
    wheres.push(`(at, id) > ($${at}::timestamptz, $${id}::uuid)`)
    wheres.push(`at < clock_timestamp() - make_interval(secs => ${lateMs} / 1000.0)`)
  }
  if (before !== undefined) {
    const [at, id] = [params.push(before.at), params.push(uuidOf(before.id))]
    wheres.push(`(at, id) < ($${at}::timestamptz, $${id}::uuid)`)
  }
  const rows = await tx.query<AuditRow>(
    `select id, at, org_id, actor, action, target, details from audit_log
     ${wheres.length === 0 ? '' : `where ${wheres.join(' and ')}`}
     order by ${after === undefined ? 'at desc, id desc' : 'at, id'} limit $1`,
    params,
  )
  return rows.map((row) => ({
    id: idOf('aud', row.id),
    at: row.at,
    orgId: row.org_id === null ? null : idOf('org', row.org_id),
    actor: row.actor,
    action: row.action,
    target: fromText(row.target),
    details: row.details,
  }))
}
