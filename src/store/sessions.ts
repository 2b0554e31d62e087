import { uuidOf, type UserId } from '../core/ids.ts'
import type { Session } from '../core/org.ts'
import type { SessionStore } from '../core/login-ports.ts'
import type { Database, SystemTx } from './database.ts'
import { endByProvider, endSession } from './end-sessions.ts'
import { login } from './logins.ts'
import { isAlive, sessionColumns, sessionOf, type SessionRow } from './session-rows.ts'

/** People's logins: finds the session of a cookie, and ends sessions. */
export function sessionStore(db: Database): SessionStore {
  return {
    login: (claims, session, previous) => db.system((tx) => login(tx, claims, session, previous)),
    session: (hash, idleMs) => findSession(db.statement, hash, idleMs),
    sessions: (userId) => readSessions(db.statement, userId),
    endSession: (userId, id, actor) => db.system((tx) => endSession(tx, userId, id, actor)),
    endByProvider: (which) => db.system((tx) => endByProvider(tx, which)),
    pruneSessions: (olderThanMs, limit) => db.system((tx) => pruneSessions(tx, olderThanMs, limit)),
  }
}

/**
 * Null when there is no such session, or when it has ended, expired or been idle for `idleMs`. Writes `last_seen_at` at most once a minute.
 */
async function findSession(tx: SystemTx, hash: Uint8Array, idleMs: number): Promise<Session | null> {
  const [row] = await tx.query<SessionRow>(
    `with found as materialized (
       select s.* from sessions s
       where s.hash = $1 and ${isAlive} and s.last_seen_at > clock_timestamp() - make_interval(secs => $2 / 1000.0)
     ), seen as (
       update sessions s set last_seen_at = clock_timestamp() from found f
       where s.id = f.id and s.ended_at is null and s.last_seen_at < clock_timestamp() - interval '1 minute'
     )
     select ${sessionColumns} from found s join users u on u.id = s.user_id`,
    [hash, idleMs],
  )
  return row ? sessionOf(row) : null
}

async function readSessions(
  tx: SystemTx,
  userId: UserId,
): Promise<(Session & { userAgent: string | null; address: string | null })[]> {
  const rows = await tx.query<SessionRow & { user_agent: string | null; address: string | null }>(
    `select ${sessionColumns}, s.user_agent, s.address from sessions s join users u on u.id = s.user_id
     where s.user_id = $1 and ${isAlive} order by s.created_at desc`,
    [uuidOf(userId)],
  )
  return rows.map((row) => ({ ...sessionOf(row), userAgent: row.user_agent, address: row.address }))
}

async function pruneSessions(tx: SystemTx, olderThanMs: number, limit: number): Promise<number> {
  await tx.query(
    `delete from logout_tokens where (issuer, jti) in (
       select issuer, jti from logout_tokens where until < clock_timestamp() order by until limit $1 for update skip locked)`,
    [limit],
  )
  const gone = await tx.query(
    `delete from sessions where id = any (array(
       select id from sessions where coalesce(ended_at, expires_at) < clock_timestamp() - make_interval(secs => $1 / 1000.0)
       order by coalesce(ended_at, expires_at) limit $2 for update skip locked)) returning id`,
    [olderThanMs, limit],
  )
  return gone.length
}
