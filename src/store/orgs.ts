import { AnchorageError } from '../core/errors.ts'
import { idOf, uuidOf, type TokenId, type UserId } from '../core/ids.ts'
import type { Member, Org, Usage } from '../core/org.ts'
import type { OrgStore } from '../core/ports.ts'
import type { Scope, TokenEnd, TokenView } from '../core/token.ts'
import { readAudit } from './audit.ts'
import type { Database, OrgTx } from './database.ts'
import { removeMember, revokeOwn, setMember } from './members.ts'
import { orgColumns, orgOf, usageColumns, usageOf, type OrgRow, type UsageRow } from './org-rows.ts'
import { fromText } from './text.ts'

/** What an org sees and changes of itself. */
export function orgStore(db: Database): OrgStore {
  return {
    org: (orgId) => db.org(orgId, readOrg),
    usage: (orgId) => db.org(orgId, readUsage),
    members: (orgId) => db.org(orgId, readMembers),
    setMember: (orgId, userId, role, actor) =>
      db.org(orgId, (tx) => setMember(tx, orgId, userId, role, actor)),
    removeMember: (orgId, userId, actor) => db.org(orgId, (tx) => removeMember(tx, orgId, userId, actor)),
    tokens: (orgId, limit, createdBy) => db.org(orgId, (tx) => readTokens(tx, limit, createdBy)),
    revokeToken: (orgId, id, actor, createdBy) =>
      db.org(orgId, async (tx) => {
        await mustBeOwn(tx, id, createdBy)
        return revokeOwn(tx, orgId, [uuidOf(id)], actor)
      }),
    audit: (orgId, query) => db.org(orgId, (tx) => readAudit(tx, { ...query, orgId })),
  }
}

async function readOrg(tx: OrgTx): Promise<Org> {
  const [row] = await tx.query<OrgRow>(`select ${orgColumns} from orgs o where o.id = current_org()`)
  if (!row) throw noOrg()
  return orgOf(row)
}

async function readUsage(tx: OrgTx): Promise<Usage> {
  const [row] = await tx.query<UsageRow>(`select ${usageColumns} from orgs o where o.id = current_org()`)
  if (!row) throw noOrg()
  return usageOf(row)
}

function noOrg(): AnchorageError {
  return new AnchorageError('not_found', 'there is no such org')
}

interface MemberRow {
  user_id: string
  name: string | null
  email: string | null
  role: Member['role']
  source: Member['source']
  since: Date
}

async function readMembers(tx: OrgTx): Promise<Member[]> {
  const rows = await tx.query<MemberRow>(
    `select m.user_id, u.name, u.email, m.role, m.source, m.since
     from memberships m join users u on u.id = m.user_id
     where m.org_id = current_org() order by m.since, m.user_id`,
  )
  return rows.map((row) => ({
    userId: idOf('usr', row.user_id),
    name: row.name && fromText(row.name),
    email: row.email && fromText(row.email),
    role: row.role,
    source: row.source,
    since: row.since,
  }))
}

interface TokenRow {
  id: string
  org_id: string
  name: string | null
  scopes: Scope[]
  expires_at: Date
  made_by_user: string | null
  made_by_token: string | null
  created_at: Date
  last_used_at: Date | null
  revoked_at: Date | null
  ended_by: TokenEnd | null
}

async function readTokens(tx: OrgTx, limit: number, createdBy?: UserId | TokenId): Promise<TokenView[]> {
  const rows = await tx.query<TokenRow>(
    `select id, org_id, name, scopes, expires_at, made_by_user, made_by_token, created_at, last_used_at, revoked_at,
       case when revoked_at is not null then 'revoked' when expires_at <= clock_timestamp() then 'expired'
         when is_retired(key_id) then 'key' end as ended_by
     from api_tokens t where org_id = current_org() and ($2::uuid is null or made_by_user = $2 or made_by_token = $2)
     order by id desc limit $1`,
    [limit, createdBy === undefined ? null : uuidOf(createdBy)],
  )
  return rows.map((row) => ({
    id: idOf('tok', row.id),
    orgId: idOf('org', row.org_id),
    name: row.name && fromText(row.name),
    scopes: row.scopes,
    expiresAt: row.expires_at,
    createdBy: makerOf(row),
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
    endedBy: row.ended_by,
  }))
}

function makerOf(row: TokenRow): UserId | TokenId | null {
  if (row.made_by_user !== null) return idOf('usr', row.made_by_user)
  return row.made_by_token === null ? null : idOf('tok', row.made_by_token)
}

async function mustBeOwn(tx: OrgTx, id: TokenId, createdBy?: UserId | TokenId): Promise<void> {
  const rows = await tx.query(
    `select from api_tokens where org_id = current_org() and id = $1
       and ($2::uuid is null or made_by_user = $2 or made_by_token = $2)`,
    [uuidOf(id), createdBy === undefined ? null : uuidOf(createdBy)],
  )
  if (rows.length === 0) throw new AnchorageError('not_found', `there is no token ${id}`)
}
