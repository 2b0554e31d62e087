import { AnchorageError } from '../core/errors.ts'
import { uuidOf, type TokenId, type UserId } from '../core/ids.ts'
import { scopesOf, type Role } from '../core/org.ts'
import type { ApiToken } from '../core/token.ts'
import type { SystemTx } from './database.ts'

export function isUser(id: UserId | TokenId): id is UserId {
  return id.startsWith('usr_')
}

/**
 * Refuses (`forbidden`) a token whose maker may not make it. The rows that give the maker this right stay locked until the commit, so a
 * transaction that takes away its role or token waits for the new token, and then revokes it too. Locks in the order of a login: the user,
 * the org, the membership.
 */
export async function demandMaker(tx: SystemTx, token: ApiToken): Promise<void> {
  const { createdBy } = token
  if (createdBy === null) return
  if (!(isUser(createdBy) ? await mayUser(tx, token, createdBy) : await mayToken(tx, token, createdBy)))
    throw new AnchorageError('forbidden', 'the maker of this token is no longer allowed to make it')
}

async function mayUser(tx: SystemTx, { orgId, scopes }: ApiToken, userId: UserId): Promise<boolean> {
  const [user] = await tx.query<{ operator: boolean }>('select operator from users where id = $1 for share', [
    uuidOf(userId),
  ])
  await tx.query('select from orgs where id = $1 for key share', [uuidOf(orgId)])
  const [member] = await tx.query<{ role: Role }>(
    'select role from memberships where org_id = $1 and user_id = $2 for share',
    [uuidOf(orgId), uuidOf(userId)],
  )
  return user !== undefined && mayHave(scopes, member?.role ?? null, user.operator)
}

async function mayToken(
  tx: SystemTx,
  { orgId, scopes, expiresAt }: ApiToken,
  maker: TokenId,
): Promise<boolean> {
  await tx.query('select from orgs where id = $1 for key share', [uuidOf(orgId)])
  const rows = await tx.query(
    `select from api_tokens t where id = $1 and org_id = $2 and $3::text[] <@ scopes and $4 <= expires_at
       and revoked_at is null and expires_at > clock_timestamp() and not exists (select from token_denylist where jti = t.id)
     for share of t`,
    [uuidOf(maker), uuidOf(orgId), scopes, expiresAt],
  )
  return rows.length > 0
}

/** Whether a person of this role in the token's org may have a token of these scopes. */
export function mayHave(scopes: readonly string[], role: Role | null, operator: boolean): boolean {
  const allowed: ReadonlySet<string> = role === null ? new Set() : scopesOf(role)
  return scopes.every((scope) => allowed.has(scope) || (operator && scope === 'cluster:admin'))
}
