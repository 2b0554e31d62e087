import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { AnchorageError } from '../core/errors.ts'
import type { Clock, TokenStore } from '../core/ports.ts'
import type { Principal } from '../core/token.ts'
import { keyRing } from './key-ring.ts'
import { readToken } from './token-format.ts'
import type { TokenClaims } from './token-format.ts'

const cacheSize = 10_000
/** A revocation is seen within this time, so the store is asked again about a token that was used this long after. */
const revocationMs = 2_000
/** How long the last answer stands in for a store that cannot be asked. */
const maxStaleMs = 60_000
const touchEveryMs = 60_000

/** Bearer → who it is. */
export interface Verifier {
  /**
   * Throws `unauthenticated` with the reason (garbled, wrong algorithm, unknown key, expired, revoked, …),
   * `unavailable` when neither what is remembered nor the store can tell.
   */
  readonly verify: (bearer: string) => Promise<Principal>
}

/** A token whose signature held, and what the store last said of it. */
interface Known {
  claims: TokenClaims
  principal: Principal
  verdict: 'good' | 'revoked' | 'unasked'
  askedAtMs: number
  touchedAtMs: number
  asking: Promise<void> | null
}

/** Remembers what it verified by the token's hash, so that a token in use costs one hash and one look-up. */
export function verifier(options: {
  store: Pick<TokenStore, 'signingKeys' | 'tokenState' | 'touchToken'>
  masterKey: Uint8Array
  clock: Pick<Clock, 'now'>
}): Verifier {
  const { store, clock } = options
  const keys = keyRing(options)
  const known = new LRUCache<string, Known>({ max: cacheSize })

  const meet = async (bearer: string): Promise<Known> => {
    const claims = await readToken(bearer, keys.secretOf, clock.now())
    const { orgId, tokenId, scopes } = claims
    const principal = { orgId, tokenId, scopes }
    return {
      claims,
      principal,
      verdict: 'unasked',
      askedAtMs: -Infinity,
      touchedAtMs: -Infinity,
      asking: null,
    }
  }

  const ask = async (token: Known): Promise<void> => {
    const nowMs = clock.now()
    const { tokenId, orgId, kid } = token.claims
    if ((await keys.secretOf(kid)) === null) throw refused('it was signed with a key that is retired')
    const state = await store.tokenState(tokenId)
    if (state === null || state.orgId !== orgId) throw refused('it is unknown here')
    token.verdict = state.revoked ? 'revoked' : 'good'
    token.askedAtMs = nowMs
    if (state.revoked || nowMs - token.touchedAtMs < touchEveryMs) return
    token.touchedAtMs = nowMs
    // When it was last used is a courtesy to the owner: the request neither waits for it nor fails by it.
    store.touchToken(tokenId).catch(() => undefined)
  }

  const askOnce = async (token: Known): Promise<void> => {
    token.asking ??= ask(token).finally(() => (token.asking = null))
    try {
      await token.asking
    } catch (error) {
      if (error instanceof AnchorageError && error.code === 'unauthenticated') throw error
      if (clock.now() - token.askedAtMs < maxStaleMs) return
      throw new AnchorageError('unavailable', 'access tokens cannot be checked just now; try again', {
        cause: error,
      })
    }
  }

  return {
    async verify(bearer) {
      const key = hash('sha256', bearer, 'base64')
      const token = known.get(key) ?? (await meet(bearer))
      if (token.claims.expiresAtMs <= clock.now()) throw refused('it has expired; mint a new one')
      if (token.verdict !== 'revoked' && clock.now() - token.askedAtMs >= revocationMs) await askOnce(token)
      known.set(key, token)
      if (token.verdict === 'revoked') throw refused('it was revoked')
      return token.principal
    },
  }
}

function refused(why: string): AnchorageError {
  return new AnchorageError('unauthenticated', `the access token is not valid: ${why}`)
}
