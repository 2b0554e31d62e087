import { createHash } from 'node:crypto'
import { AnchorageError } from '../core/errors.ts'
import { idOf, uuidOf, type SessionId, type UserId } from '../core/ids.ts'
import { audit } from './audit.ts'
import type { SystemTx } from './database.ts'
import { isAlive } from './session-rows.ts'

/** `not_found` when the user has no live session with this id. */
export async function endSession(
  tx: SystemTx,
  userId: UserId,
  id: SessionId,
  actor: string,
): Promise<{ idToken: string }> {
  const [ended] = await end(tx, 's.user_id = $1 and s.id = $2', [uuidOf(userId), uuidOf(id)], actor)
  if (!ended) throw new AnchorageError('not_found', 'there is no session with this id')
  return { idToken: ended.idToken }
}

/** Ends the live sessions that match `where`, audits each, and deletes their id tokens. */
export async function end(
  tx: SystemTx,
  where: string,
  params: unknown[],
  actor: string,
): Promise<{ id: SessionId; idToken: string }[]> {
  const rows = await tx.query<{ id: string; id_token: string | null }>(
    `with found as materialized (
       select s.id, s.id_token from sessions s where ${where} and ${isAlive} order by s.id for update of s
     ), ended as (
       update sessions s set ended_at = clock_timestamp(), id_token = null from found f where s.id = f.id
     )
     select id, id_token from found`,
    params,
  )
  const ended = rows.map((row) => ({ id: idOf('ses', row.id), idToken: row.id_token ?? '' }))
  for (const { id } of ended) await audit(tx, { actor, action: 'session.end', target: id })
  return ended
}

/** False when this logout token was used before. */
export async function endByProvider(
  tx: SystemTx,
  which: { issuer: string; subject: string | null; sid: string | null; jti: string; until: Date },
): Promise<boolean> {
  const { issuer, subject, sid, jti, until } = which
  const taken = await tx.query(
    'insert into logout_tokens (issuer, jti, until) values ($1, $2, $3) on conflict do nothing returning issuer',
    [issuer, createHash('sha256').update(jti).digest(), until],
  )
  if (taken.length === 0) return false
  const whose =
    sid === null ? 's.user_id = any ($1::uuid[])' : 's.user_id = any ($1::uuid[]) and s.provider_sid = $2'
  const users = await tx.query<{ id: string }>(
    sid === null
      ? 'select id from users where issuer = $1 and subject = $2'
      : `select u.id from sessions s join users u on u.id = s.user_id
         where u.issuer = $1 and ($2::text is null or u.subject = $2) and s.provider_sid = $3`,
    sid === null ? [issuer, subject] : [issuer, subject, sid],
  )
  const ids = users.map((user) => user.id)
  await end(tx, whose, sid === null ? [ids] : [ids, sid], 'provider')
  return true
}
