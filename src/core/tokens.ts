import { AnchorageError } from './errors.ts'
import { idOrNotFound, type OrgId, type TokenId, type UserId } from './ids.ts'
import type { Clock, Log, OrgStore } from './ports.ts'
import type { OrgPrincipal, Scope, Revoked, TokenView } from './token.ts'

/**
 * What an org's people and programs do with its tokens. The route checks that the principal has `tokens:manage`. With `org:admin` the
 * principal sees and ends all tokens of the org, otherwise only those it made.
 */
export interface TokenUseCases {
  /**
   * The secret is in this answer and nowhere else. `forbidden` for scopes that the principal does not have. `invalid` for an end in the
   * past, more than ten years ahead, or after the principal's own.
   */
  create(principal: OrgPrincipal, request: NewToken): Promise<{ secret: string; token: TokenView }>
  /** Newest first. */
  list(principal: OrgPrincipal, limit: number): Promise<TokenView[]>
  /**
   * Ends a token and the tokens that it made, for good. `not_found` when the principal may see no such token. Repeating it changes nothing.
   */
  revoke(principal: OrgPrincipal, id: string): Promise<void>
}

/** A request for a new token, with at most one of `ttlMs` and `expiresAt`. */
export interface NewToken {
  name: string | null
  scopes: Scope[]
  ttlMs?: number
  expiresAt?: Date
}

const dayMs = 86_400_000
const usualMs = 90 * dayMs
export const longestMs = 3653 * dayMs

export interface TokenParts {
  store: Pick<OrgStore, 'tokens' | 'revokeToken'>
  /** Signs and stores a token. The secret is only in the answer. */
  mint: (request: {
    orgId: OrgId
    name: string | null
    scopes: readonly Scope[]
    ttlMs: number
    createdBy: UserId | TokenId
  }) => Promise<{ token: string; id: TokenId; createdAt: Date; expiresAt: Date }>
  /** Tells the nodes which tokens ended. Without it they find out by themselves within seconds, so a failure is only logged. */
  announce: (revoked: Revoked) => Promise<void>
  clock: Pick<Clock, 'now'>
  log: Log
}

/** Tokens by self-service: no token may do more, or live longer, than its maker. */
export function tokenUseCases(parts: TokenParts): TokenUseCases {
  const { store, mint, clock } = parts
  return {
    async create(principal, request) {
      const { name, scopes } = request
      demandOwn(principal, scopes)
      const nowMs = clock.now()
      const ttlMs = endOf(principal, request, nowMs) - nowMs
      const { orgId, actor: createdBy } = principal
      const minted = await mint({ orgId, name, scopes, ttlMs, createdBy })
      const { id, createdAt, expiresAt, token: secret } = minted
      const since = { createdAt, lastUsedAt: null, revokedAt: null, endedBy: null }
      return { secret, token: { id, orgId, name, scopes, expiresAt, createdBy, ...since } }
    },
    list: (principal, limit) => store.tokens(principal.orgId, limit, ...madeBy(principal)),
    async revoke(principal, given) {
      const id = idOrNotFound('tok', given, 'there is no token with this id')
      const { tokens, version } = await store.revokeToken(
        principal.orgId,
        id,
        principal.actor,
        ...madeBy(principal),
      )
      // also when it was over before: the node that ended it may have failed to tell the others
      await announceRevoked(parts, { tokens: [...new Set([id, ...tokens])], version })
    },
  }
}

/** Announces to the nodes which tokens a change ended. The change is kept even when the nodes cannot be told. */
export async function announceRevoked(
  { announce, log }: Pick<TokenParts, 'announce' | 'log'>,
  revoked: Revoked,
): Promise<void> {
  if (revoked.tokens.length === 0) return
  try {
    await announce(revoked)
  } catch (err) {
    log.warn(
      { err },
      'the nodes could not be notified of revoked tokens; they notice by themselves within seconds',
    )
  }
}

function demandOwn(principal: OrgPrincipal, scopes: readonly Scope[]): void {
  const beyond = scopes.filter((scope) => !principal.scopes.has(scope))
  if (beyond.length === 0) return
  throw new AnchorageError(
    'forbidden',
    `a token cannot have scopes that its maker does not have: ${beyond.join(', ')}`,
  )
}

/** When the new token ends, ms. When the request says nothing: in 90 days, or with the principal if that is sooner. */
function endOf({ until }: OrgPrincipal, { ttlMs, expiresAt }: NewToken, nowMs: number): number {
  const lastMs = until?.getTime() ?? Infinity
  if (ttlMs !== undefined && expiresAt !== undefined)
    throw new AnchorageError('invalid', 'give either ttlSeconds or expiresAt, not both')
  if (ttlMs === undefined && expiresAt === undefined) return Math.min(nowMs + usualMs, lastMs)
  const endMs = expiresAt?.getTime() ?? nowMs + (ttlMs ?? 0)
  // a token's end is in whole seconds: one that ends within this second would have ended before it was made
  if (!(endMs >= nowMs + 1000)) throw new AnchorageError('invalid', 'a token must expire in the future')
  if (endMs > nowMs + longestMs) throw new AnchorageError('invalid', 'a token can last for at most ten years')
  if (endMs > lastMs) {
    const last = new Date(lastMs).toISOString()
    throw new AnchorageError(
      'invalid',
      `a token cannot outlast the token that makes it, which expires at ${last}`,
    )
  }
  return endMs
}

/** Whose tokens a principal sees: only its own, or with `org:admin` all. */
function madeBy({ scopes, actor }: OrgPrincipal): [] | [UserId | TokenId] {
  return scopes.has('org:admin') ? [] : [actor]
}
