import { AnchorageError } from '../core/errors.ts'
import { idOf, uuidOf, type SessionId } from '../core/ids.ts'
import type { Role, Session } from '../core/org.ts'
import type { SystemTx } from './database.ts'
import { fromText } from './text.ts'
import { userColumns, userOf, type UserRow } from './user-rows.ts'

/** A row of `sessions` with its user. */
export interface SessionRow extends UserRow {
  id: string
  created_at: Date
  last_seen_at: Date
  expires_at: Date
  memberships: { org_id: string; slug: string; role: Role; suspended: string | null }[] | null
}

export const sessionColumns = `s.id, s.created_at, s.last_seen_at, s.expires_at, ${userColumns},
  (select json_agg(json_build_object('org_id', o.id, 'slug', o.slug, 'role', m.role, 'suspended', o.suspended_reason) order by o.slug)
   from memberships m join orgs o on o.id = m.org_id where m.user_id = u.id) as memberships`
/** Neither ended nor expired. */
export const isAlive = 's.ended_at is null and s.expires_at > clock_timestamp()'

export function sessionOf(row: SessionRow): Session {
  return {
    id: idOf('ses', row.id),
    user: userOf(row),
    memberships: (row.memberships ?? []).map(({ org_id, slug, role, suspended }) => ({
      orgId: idOf('org', org_id),
      slug,
      role,
      suspended: suspended && fromText(suspended),
    })),
    createdAt: row.created_at,
    lastSeenAt: row.last_seen_at,
    expiresAt: row.expires_at,
  }
}

/** The session with this id, as it is now. */
export async function readSession(tx: SystemTx, id: SessionId): Promise<Session> {
  const [row] = await tx.query<SessionRow>(
    `select ${sessionColumns} from sessions s join users u on u.id = s.user_id where s.id = $1`,
    [uuidOf(id)],
  )
  if (!row) throw new AnchorageError('not_found', `there is no session ${id}`)
  return sessionOf(row)
}
