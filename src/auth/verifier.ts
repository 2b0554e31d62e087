import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { CacheStats } from '../core/cache-stats.ts'
import { Cache, type Invalidation } from './cache.ts'
import { AnchorageError, isCode } from '../core/errors.ts'
import { refusedAsSuspended } from '../core/org.ts'
import type { Clock, TokenStore } from '../core/ports.ts'
import type { OrgPrincipal } from '../core/token.ts'
import { keyRing } from './key-ring.ts'
import { readToken } from './token-format.ts'
import type { TokenClaims } from './token-format.ts'

const cacheSize = 10_000
/**
 * A node notices within this time that a token was revoked, or that an org was suspended or resumed, even if no message about it arrives:
 * an answer of the store about a token is used only this long.
 */
const revocationMs = 2_000
/** How long the last answer is used while the store cannot be asked. */
const maxStaleMs = 60_000
const touchEveryMs = 60_000

/** Turns a bearer into the principal that it belongs to. */
export interface Verifier {
  /**
   * Throws `unauthenticated` with the reason (garbled, wrong algorithm, unknown key, expired, revoked, …), `forbidden` with the operator's
   * reason when the org is suspended, `unavailable` when the store cannot be asked and no remembered answer can be used.
   */
  readonly verify: (bearer: string) => Promise<OrgPrincipal>
  /** The store's answers that are remembered, by token id; the key of an invalidation is a token id. */
  readonly remembered: RememberedTokens
}

export interface RememberedTokens {
  invalidate(change: Invalidation): void
  /** Forgets every answer, since revocations may have been missed. */
  flush(): void
  stats(): CacheStats
}

/** A token whose signature was verified. That never changes, but the token's state in the store does. */
interface Known {
  claims: TokenClaims
  principal: OrgPrincipal
  touchedAtMs: number
}

/** The last answer of the store about a token. */
type TokenState = NonNullable<Awaited<ReturnType<TokenStore['tokenState']>>>

/** Remembers verified tokens by their hash, so that a token in use costs one hash and two look-ups in memory. */
export function verifier(options: {
  store: Pick<TokenStore, 'signingKeys' | 'tokenState' | 'touchToken'>
  masterKey: Uint8Array
  clock: Clock
}): Verifier {
  const { store, clock } = options
  const keys = keyRing(options)
  const known = new LRUCache<string, Known>({ max: cacheSize })
  const states = new Cache<TokenState>({
    max: cacheSize,
    // a revocation is final
    maxAgeMs: ({ revoked }) => (revoked ? Infinity : revocationMs),
    maxStaleMs,
    clock,
  })

  const meet = async (bearer: string): Promise<Known> => {
    const claims = await readToken(bearer, keys.secretOf, clock.now())
    const { orgId, tokenId, scopes, expiresAtMs } = claims
    return {
      claims,
      principal: { actor: tokenId, orgId, scopes, until: new Date(expiresAtMs) },
      touchedAtMs: -Infinity,
    }
  }

  const ask = async (token: Known): Promise<TokenState> => {
    const nowMs = clock.steadyMs()
    const { tokenId, kid } = token.claims
    if ((await keys.secretOf(kid)) === null) throw refused('it was signed with a retired key')
    const state = await store.tokenState(tokenId)
    if (state === null) throw refused('it is unknown')
    if (!state.revoked && nowMs - token.touchedAtMs >= touchEveryMs) {
      token.touchedAtMs = nowMs
      // The time of the last use is a courtesy to the owner: the request neither waits for this write nor fails with it.
      store.touchToken(tokenId).catch(() => undefined)
    }
    return state
  }

  const askOnce = async (token: Known): Promise<TokenState> => {
    try {
      return await states.read(token.claims.tokenId, () => ask(token), isRefusal)
    } catch (error) {
      if (isRefusal(error)) throw error
      const message = 'access tokens cannot be checked at the moment; try again'
      throw new AnchorageError('unavailable', message, { cause: error })
    }
  }

  return {
    async verify(bearer) {
      const key = hash('sha256', bearer, 'base64')
      const remembered = known.get(key)
      const token = remembered ?? (await meet(bearer))
      if (token.claims.expiresAtMs <= clock.now()) throw refused('it has expired; mint a new one')
      const state = states.fresh(token.claims.tokenId) ?? (await askOnce(token))
      if (!isAsMinted(token.claims, state)) throw refused('it is unknown')
      if (remembered === undefined) known.set(key, token)
      if (state.revoked) throw refused('it was revoked')
      if (state.suspended !== null) throw refusedAsSuspended(state.suspended)
      return token.principal
    },
    remembered: states,
  }
}

/** Even a stolen signing key cannot make a token that allows more, or lives longer, than the one minted under its id. */
function isAsMinted({ kid, orgId, scopes, expiresAtMs }: TokenClaims, minted: TokenState): boolean {
  return (
    kid === minted.keyId &&
    orgId === minted.orgId &&
    expiresAtMs <= minted.expiresAt.getTime() &&
    [...scopes].every((scope) => minted.scopes.includes(scope))
  )
}

function isRefusal(error: unknown): boolean {
  return isCode(error, 'unauthenticated')
}

function refused(why: string): AnchorageError {
  return new AnchorageError('unauthenticated', `the access token is not valid: ${why}`)
}
