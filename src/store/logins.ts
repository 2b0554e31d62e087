import { idOf, mintId, uuidOf, type OrgId, type UserId } from '../core/ids.ts'
import type { Role, Session } from '../core/org.ts'
import type { SessionStore } from '../core/login-ports.ts'
import type { LoginClaims } from '../core/login.ts'
import type { Revoked } from '../core/token.ts'
import { audit } from './audit.ts'
import type { SystemTx } from './database.ts'
import { end } from './end-sessions.ts'
import { mayHave } from './token-makers.ts'
import { readSession } from './session-rows.ts'
import { toText } from './text.ts'
import { revokeTokens } from './tokens.ts'

type NewSession = Parameters<SessionStore['login']>[1]

/** At most this many characters of a browser's `User-Agent` are kept. */
const userAgentLength = 400

/**
 * A person logs in: saves the user and its memberships, revokes its tokens that go beyond these, and starts a session that replaces the
 * browser's last one.
 */
export async function login(
  tx: SystemTx,
  claims: LoginClaims,
  session: NewSession,
  previous: Uint8Array | null,
): Promise<{ session: Session; revoked: Revoked }> {
  const userId = await saveUser(tx, claims)
  await saveMemberships(tx, userId, claims.roles)
  const revoked = await revokeBeyond(tx, userId)
  if (previous) await end(tx, 's.hash = $1', [previous], userId)
  await addSession(tx, userId, session)
  return { session: await readSession(tx, session.id), revoked }
}

async function saveUser(tx: SystemTx, claims: LoginClaims): Promise<UserId> {
  const values = [
    uuidOf(mintId('usr')),
    toText(claims.issuer),
    toText(claims.subject),
    claims.name && toText(claims.name),
    claims.email && toText(claims.email),
    claims.operator,
  ]
  const made = await tx.query<{ id: string }>(
    `insert into users (id, issuer, subject, name, email, operator) values ($1, $2, $3, $4, $5, $6)
     on conflict (issuer, subject) do nothing returning id`,
    values,
  )
  if (made[0]) {
    const userId = idOf('usr', made[0].id)
    await audit(tx, {
      actor: userId,
      action: 'user.create',
      target: userId,
      details: { operator: claims.operator },
    })
    return userId
  }
  const [was] = await tx.query<{ id: string; operator: boolean }>(
    'select id, operator from users where issuer = $1 and subject = $2 for no key update',
    values.slice(1, 3),
  )
  if (!was) throw new Error('a user was deleted during the login')
  const userId = idOf('usr', was.id)
  await tx.query(
    `update users set name = $2, email = $3, operator = $4
     where id = $1 and (name, email, operator) is distinct from ($2, $3, $4)`,
    [was.id, ...values.slice(3)],
  )
  if (was.operator !== claims.operator)
    await audit(tx, {
      actor: userId,
      action: 'user.set',
      target: userId,
      details: { operator: claims.operator },
    })
  return userId
}

/** Memberships that were set by hand stay as they are; the others follow what the provider's groups say now. */
async function saveMemberships(tx: SystemTx, userId: UserId, roles: LoginClaims['roles']): Promise<void> {
  const orgs = await tx.query<{ id: string; slug: string }>(
    `select id, slug from orgs o
     where slug = any ($2) or id in (select org_id from memberships where user_id = $1) order by id for key share of o`,
    [uuidOf(userId), roles.map((role) => role.slug)],
  )
  const rows = await tx.query<{ org_id: string; role: Role; source: 'login' | 'manual' }>(
    'select org_id, role, source from memberships where user_id = $1 order by org_id for update',
    [uuidOf(userId)],
  )
  const had = new Map(rows.map((row) => [row.org_id, row]))
  for (const { id, slug } of orgs) {
    const is = had.get(id)
    if (is?.source === 'manual') continue
    const role = roles.find((r) => r.slug === slug)?.role ?? null
    if (role !== (is?.role ?? null)) await setRole(tx, idOf('org', id), userId, role)
  }
}

async function setRole(tx: SystemTx, orgId: OrgId, userId: UserId, role: Role | null): Promise<void> {
  const key = [uuidOf(orgId), uuidOf(userId)]
  const entry = { orgId, actor: userId, target: userId }
  if (role === null) {
    await tx.query(`delete from memberships where org_id = $1 and user_id = $2 and source = 'login'`, key)
    await audit(tx, { ...entry, action: 'member.remove', details: { source: 'login' } })
    return
  }
  await tx.query(
    `insert into memberships as m (org_id, user_id, role, source) values ($1, $2, $3, 'login')
     on conflict (org_id, user_id) do update set role = excluded.role where m.source = 'login'`,
    [...key, role],
  )
  await audit(tx, { ...entry, action: 'member.set', details: { role, source: 'login' } })
}

/** Revokes the person's tokens, in any org, that allow more than the person may do now. */
async function revokeBeyond(tx: SystemTx, userId: UserId): Promise<Revoked> {
  const rows = await tx.query<{ id: string; scopes: string[]; role: Role | null; operator: boolean }>(
    `select t.id, t.scopes, m.role, u.operator from api_tokens t join users u on u.id = t.made_by_user
       left join memberships m on m.org_id = t.org_id and m.user_id = t.made_by_user
     where t.made_by_user = $1 and t.revoked_at is null and t.expires_at > clock_timestamp()`,
    [uuidOf(userId)],
  )
  const beyond = rows.filter(({ scopes, role, operator }) => !mayHave(scopes, role, operator))
  return revokeTokens(
    tx,
    beyond.map((row) => row.id),
    userId,
  )
}

async function addSession(tx: SystemTx, userId: UserId, session: NewSession): Promise<void> {
  await tx.query(
    `insert into sessions (id, hash, user_id, provider_sid, id_token, user_agent, address, network, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + make_interval(secs => $9 / 1000.0))`,
    [
      uuidOf(session.id),
      session.hash,
      uuidOf(userId),
      session.providerSid,
      session.idToken,
      session.userAgent && toText(session.userAgent.slice(0, userAgentLength)),
      session.address,
      session.network,
      session.maxAgeMs,
    ],
  )
  await audit(tx, { actor: userId, action: 'session.create', target: session.id })
}
