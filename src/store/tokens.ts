import type { CacheName } from '../core/cache-stats.ts'
import { AnchorageError } from '../core/errors.ts'
import { idOf, uuidOf, type OrgId, type TokenId } from '../core/ids.ts'
import { refusedAsSuspended } from '../core/org.ts'
import type { TokenStore } from '../core/ports.ts'
import type { ApiToken, Scope, Revoked } from '../core/token.ts'
import { audit } from './audit.ts'
import type { Database, SystemTx } from './database.ts'
import { keyStore } from './keys.ts'
import { demandMaker, isUser } from './token-makers.ts'
import { fromText, toText } from './text.ts'

/** How many tokens of one org may be alive at a time, unless config says otherwise. */
const usualMaxTokens = 1_000

export function tokenStore(db: Database, maxTokens: number = usualMaxTokens): TokenStore {
  const tx = db.statement
  return {
    ...keyStore(db),
    async orgBySlug(slug) {
      const [row] = await tx.query<{ id: string }>('select id from orgs where slug = $1', [slug])
      if (!row)
        throw new AnchorageError(
          'not_found',
          `there is no org named ${slug}; make it with: anchorage admin create-org ${slug}`,
        )
      return idOf('org', row.id)
    },
    insertToken: (token, actor) => db.system((own) => insertToken(own, token, maxTokens, actor)),
    revokeToken: (id, actor = 'operator') =>
      db.system(async (own) => {
        const known = await own.query('select from api_tokens where id = $1', [uuidOf(id)])
        if (known.length === 0) throw new AnchorageError('not_found', `there is no token ${id}`)
        return revokeTokens(own, [uuidOf(id)], actor)
      }),
    cacheVersion: (cache) => cacheVersion(tx, cache),
    tokenState: (id) => tokenState(tx, id),
    async touchToken(id) {
      await tx.query(
        `update api_tokens set last_used_at = now()
         where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
        [uuidOf(id)],
      )
    },
    async livingTokens() {
      const [row] = await tx.query<{ living: number }>(
        `select count(*) as living from api_tokens t join signing_keys k on k.id = t.key_id
         where t.revoked_at is null and t.expires_at > clock_timestamp() and k.state <> 'retired'`,
      )
      return row?.living ?? 0
    },
    // The tokens that they made have expired too: no token outlives its maker.
    async pruneTokens(olderThanMs, limit) {
      const gone = await tx.query(
        `delete from api_tokens where id = any (array(
           select id from api_tokens where expires_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)
           order by expires_at limit $2 for update skip locked)) returning id`,
        [olderThanMs, limit],
      )
      return gone.length
    },
  }
}

/** Locks the key's row until the commit, so a rotation waits for this token and then sees it: no key retires before a token that it signed. */
async function insertToken(
  tx: SystemTx,
  token: ApiToken,
  maxTokens: number,
  actor = 'operator',
): Promise<Date> {
  await demandMaker(tx, token)
  await demandRoom(tx, token.orgId, maxTokens)
  const { createdBy } = token
  const [made] = await tx.query<{ created_at: Date }>(
    `insert into api_tokens (id, org_id, key_id, name, scopes, expires_at, made_by_user, made_by_token)
     select $1, $2, k.id, $4, $5, $6, $7, $8 from signing_keys k where k.id = $3 and k.state = 'active' for share of k
     returning created_at`,
    [
      uuidOf(token.id),
      uuidOf(token.orgId),
      uuidOf(token.keyId),
      token.name && toText(token.name),
      token.scopes,
      token.expiresAt,
      createdBy !== null && isUser(createdBy) ? uuidOf(createdBy) : null,
      createdBy !== null && !isUser(createdBy) ? uuidOf(createdBy) : null,
    ],
  )
  if (!made) throw new AnchorageError('conflict', 'the signing key has been rotated; try again')
  const { orgId, scopes } = token
  await audit(tx, {
    orgId,
    actor: createdBy ?? actor,
    action: 'token.create',
    target: token.id,
    details: { scopes },
  })
  return made.created_at
}

/** Locks the org's row until the commit: concurrent calls cannot exceed the limit together, and no token is made after a suspension. */
async function demandRoom(tx: SystemTx, orgId: OrgId, maxTokens: number): Promise<void> {
  const [org] = await tx.query<{ suspended: string | null }>(
    'select suspended_reason as suspended from orgs where id = $1 for no key update',
    [uuidOf(orgId)],
  )
  if (!org) throw new AnchorageError('not_found', `there is no org ${orgId}`)
  if (org.suspended !== null) throw refusedAsSuspended(fromText(org.suspended))
  const [row] = await tx.query<{ living: number }>(
    'select count(*) as living from api_tokens where org_id = $1 and revoked_at is null and expires_at > clock_timestamp()',
    [uuidOf(orgId)],
  )
  if (row && row.living >= maxTokens)
    throw new AnchorageError(
      'over_quota',
      `this org has ${row.living} valid access tokens and may have ${maxTokens}: revoke some first`,
      { bound: 'living access tokens of one org' },
    )
}

async function tokenState(tx: SystemTx, id: TokenId): ReturnType<TokenStore['tokenState']> {
  const [row] = await tx.query<{
    org_id: string
    key_id: string
    scopes: Scope[]
    expires_at: Date
    revoked: boolean
    suspended: string | null
  }>(
    `select org_id, key_id, scopes, expires_at,
       revoked_at is not null or exists (select from token_denylist where jti = t.id) as revoked,
       (select o.suspended_reason from orgs o where o.id = t.org_id) as suspended
     from api_tokens t where id = $1`,
    [uuidOf(id)],
  )
  if (!row) return null
  const { scopes, expires_at: expiresAt, revoked } = row
  const suspended = row.suspended && fromText(row.suspended)
  const [orgId, keyId] = [idOf('org', row.org_id), idOf('key', row.key_id)]
  return { orgId, keyId, scopes, expiresAt, revoked, suspended }
}

/**
 * Revokes the tokens of these uuids and the tokens that they made, and audits each. Tokens that were revoked before are not in the answer.
 */
export async function revokeTokens(tx: SystemTx, uuids: string[], actor: string): Promise<Revoked> {
  const rows = await tx.query<{ id: string; org_id: string }>('select id, org_id from revoke_tokens($1)', [
    uuids,
  ])
  for (const row of rows) {
    const [orgId, target] = [idOf('org', row.org_id), idOf('tok', row.id)]
    await audit(tx, { orgId, actor, action: 'token.revoke', target })
  }
  return { tokens: rows.map((row) => idOf('tok', row.id)), version: await cacheVersion(tx, 'tokens') }
}

/** The version of the last change that is committed, or made by this transaction. */
async function cacheVersion(tx: SystemTx, cache: CacheName): Promise<number> {
  const [row] = await tx.query<{ version: number }>('select version from cache_versions where cache = $1', [
    cache,
  ])
  if (!row) throw new AnchorageError('internal', `the version of ${cache} is missing`)
  return row.version
}
