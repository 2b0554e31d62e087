import { AnchorageError } from '../core/errors.ts'
import { idOf, mintId, uuidOf, type OrgId, type TokenId } from '../core/ids.ts'
import type { CacheName } from '../core/ports.ts'
import type { ApiToken, Scope } from '../core/token.ts'
import type { SystemTx } from './database.ts'

/** `conflict` when the slug is taken. */
export async function createOrg(tx: SystemTx, slug: string, replicas: number | null): Promise<OrgId> {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(slug))
    throw new AnchorageError('invalid', 'a slug is 1 to 63 lower-case letters, digits and inner hyphens')
  const id = mintId('org')
  const made = await tx.query(
    'insert into orgs (id, slug, default_replicas) values ($1, $2, $3) on conflict (slug) do nothing returning id',
    [uuidOf(id), slug, replicas],
  )
  if (made.length === 0) throw new AnchorageError('conflict', `there is an org named ${slug} already`)
  await audit(tx, id, 'org.create', slug)
  return id
}

export async function orgBySlug(tx: SystemTx, slug: string): Promise<OrgId> {
  const [row] = await tx.query<{ id: string }>('select id from orgs where slug = $1', [slug])
  if (!row)
    throw new AnchorageError(
      'not_found',
      `there is no org named ${slug}; make it with: anchorage admin create-org ${slug}`,
    )
  return idOf('org', row.id)
}

/** How many replicas the org's pins get that ask for no number; null: as many as is usual in the cluster. */
export async function setReplicas(tx: SystemTx, slug: string, replicas: number | null): Promise<OrgId> {
  const id = await orgBySlug(tx, slug)
  await tx.query('update orgs set default_replicas = $2 where id = $1', [uuidOf(id), replicas])
  await audit(tx, id, 'org.set', slug, { replicas })
  return id
}

/**
 * `conflict` when the token's key is not the active one any more. The key's row is locked to the commit, so a rotation waits for this
 * token and then sees it: no key retires before a token that it signed.
 */
export async function insertToken(tx: SystemTx, token: ApiToken): Promise<void> {
  const made = await tx.query(
    `insert into api_tokens (id, org_id, key_id, name, scopes, expires_at)
     select $1, $2, k.id, $4, $5, $6 from signing_keys k where k.id = $3 and k.state = 'active' for share of k
     returning id`,
    [uuidOf(token.id), uuidOf(token.orgId), uuidOf(token.keyId), token.name, token.scopes, token.expiresAt],
  )
  if (made.length === 0) throw new AnchorageError('conflict', 'the signing key has been rotated; mint again')
  await audit(tx, token.orgId, 'token.create', token.id)
}

export async function tokenState(
  tx: SystemTx,
  id: TokenId,
): Promise<(Pick<ApiToken, 'orgId' | 'scopes' | 'expiresAt'> & { revoked: boolean }) | null> {
  const [row] = await tx.query<{ org_id: string; scopes: Scope[]; expires_at: Date; revoked: boolean }>(
    `select org_id, scopes, expires_at,
       revoked_at is not null or exists (select from token_denylist where jti = t.id) as revoked
     from api_tokens t where id = $1`,
    [uuidOf(id)],
  )
  if (!row) return null
  const { scopes, expires_at: expiresAt, revoked } = row
  return { orgId: idOf('org', row.org_id), scopes, expiresAt, revoked }
}

/** Ends a token for good. The answer is the version of that change for whoever remembers tokens; repeating it is another one. */
export async function revokeToken(tx: SystemTx, id: TokenId): Promise<{ version: number }> {
  const [token] = await tx.query<{ org_id: string }>(
    `update api_tokens set revoked_at = coalesce(revoked_at, now()) where id = $1 returning org_id`,
    [uuidOf(id)],
  )
  if (!token) throw new AnchorageError('not_found', `there is no token ${id}`)
  await tx.query(
    `insert into token_denylist (jti, until) select id, expires_at from api_tokens where id = $1 on conflict (jti) do nothing`,
    [uuidOf(id)],
  )
  await audit(tx, idOf('org', token.org_id), 'token.revoke', id)
  return { version: await cacheVersion(tx, 'tokens') }
}

/** The version of the last change that is committed, or made by this transaction. */
export async function cacheVersion(tx: SystemTx, cache: CacheName): Promise<number> {
  const [row] = await tx.query<{ version: number }>('select version from cache_versions where cache = $1', [
    cache,
  ])
  if (!row) throw new AnchorageError('internal', `the version of ${cache} is missing`)
  return row.version
}

/** At most one write a minute and token. */
export async function touchToken(tx: SystemTx, id: TokenId): Promise<void> {
  await tx.query(
    `update api_tokens set last_used_at = now()
     where id = $1 and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
    [uuidOf(id)],
  )
}

async function audit(
  tx: SystemTx,
  orgId: OrgId | null,
  action: string,
  target: string,
  details?: object,
): Promise<void> {
  await tx.query(
    `insert into audit_log (id, org_id, actor, action, target, details) values ($1, $2, 'operator', $3, $4, $5)`,
    [uuidOf(mintId('aud')), orgId && uuidOf(orgId), action, target, details ?? null],
  )
}
