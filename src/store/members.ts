import { AnchorageError } from '../core/errors.ts'
import { idOf, uuidOf, type OrgId, type UserId } from '../core/ids.ts'
import { scopesOf, type Role, type MemberActor } from '../core/org.ts'
import type { Revoked } from '../core/token.ts'
import { audit } from './audit.ts'
import type { OrgTx } from './database.ts'
import { sqlState } from './errors.ts'

/** Condition: a live token that the user $1 made. */
const isLiving = 'made_by_user = $1 and revoked_at is null and expires_at > clock_timestamp()'

/** Makes a user a member, or gives a member another role. Revokes the tokens that the user made and that the new role does not allow. */
export async function setMember(
  tx: OrgTx,
  orgId: OrgId,
  userId: UserId,
  role: Role,
  actor: MemberActor,
): Promise<Revoked> {
  const was = await lockMember(tx, userId)
  if (was?.role === 'owner' && role !== 'owner') await mayLoseOwner(tx, actor)
  if (role === 'owner' && was?.role !== 'owner') mustRuleOwners(actor)
  if (was?.role === role && was.source === 'manual') return revokeOwn(tx, orgId, [], actor.name)
  await tx
    .query(
      `insert into memberships as m (org_id, user_id, role, source) values (current_org(), $1, $2, 'manual')
       on conflict (org_id, user_id) do update set role = excluded.role, source = 'manual'`,
      [uuidOf(userId), role],
    )
    .catch((cause: unknown) => {
      if (sqlState(cause) !== '23503') throw cause
      throw new AnchorageError('not_found', `there is no user ${userId}`, { cause })
    })
  await audit(tx, { orgId, actor: actor.name, action: 'member.set', target: userId, details: { role } })
  // no role gives cluster:admin, so it is left out of the comparison
  const beyond = await tx.query<{ id: string }>(
    `select id from api_tokens where org_id = current_org() and ${isLiving}
       and not array_remove(scopes, 'cluster:admin') <@ $2::text[]`,
    [uuidOf(userId), [...scopesOf(role)]],
  )
  return revokeOwn(
    tx,
    orgId,
    beyond.map((token) => token.id),
    actor.name,
  )
}

/** Ends a membership, and revokes the tokens that the user made in this org. */
export async function removeMember(
  tx: OrgTx,
  orgId: OrgId,
  userId: UserId,
  actor: MemberActor,
): Promise<Revoked> {
  const was = await lockMember(tx, userId)
  if (!was) throw new AnchorageError('not_found', `there is no member ${userId}`)
  if (was.role === 'owner') await mayLoseOwner(tx, actor)
  await tx.query('delete from memberships where org_id = current_org() and user_id = $1', [uuidOf(userId)])
  await audit(tx, { orgId, actor: actor.name, action: 'member.remove', target: userId })
  const made = await tx.query<{ id: string }>(
    `select id from api_tokens where org_id = current_org() and ${isLiving}`,
    [uuidOf(userId)],
  )
  return revokeOwn(
    tx,
    orgId,
    made.map((token) => token.id),
    actor.name,
  )
}

/** Revokes the org's tokens of these uuids and the tokens that they made, and audits each. */
export async function revokeOwn(tx: OrgTx, orgId: OrgId, uuids: string[], actor: string): Promise<Revoked> {
  const [row] = await tx.query<{ revoked: string[]; version: number }>(
    'select revoked, version from revoke_own_tokens($1)',
    [uuids],
  )
  const tokens = (row?.revoked ?? []).map((id) => idOf('tok', id))
  for (const target of tokens) await audit(tx, { orgId, actor, action: 'token.revoke', target })
  return { tokens, version: row?.version ?? 0 }
}

/** Locks the org's row first, so that one of two owners who remove each other stays. Null when the user is no member. */
async function lockMember(
  tx: OrgTx,
  userId: UserId,
): Promise<{ role: Role; source: 'login' | 'manual' } | null> {
  await tx.query('select from orgs where id = current_org() for update')
  const [row] = await tx.query<{ role: Role; source: 'login' | 'manual' }>(
    'select role, source from memberships where org_id = current_org() and user_id = $1 for update',
    [uuidOf(userId)],
  )
  return row ?? null
}

async function mayLoseOwner(tx: OrgTx, actor: MemberActor): Promise<void> {
  mustRuleOwners(actor)
  const owners = await tx.query(
    `select from memberships where org_id = current_org() and role = 'owner' limit 2`,
  )
  if (owners.length < 2)
    throw new AnchorageError('conflict', 'this is the last owner: make another member an owner first')
}

function mustRuleOwners(actor: MemberActor): void {
  if (!actor.owners)
    throw new AnchorageError('forbidden', 'only an owner can make, change or remove an owner')
}
