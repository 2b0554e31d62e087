import { AnchorageError, isCode } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { KeyId, OrgId, TokenId, UserId } from '../core/ids.ts'
import type { Clock, TokenStore } from '../core/ports.ts'
import { scopes as knownScopes } from '../core/token.ts'
import type { ApiToken, Scope, SigningKey } from '../core/token.ts'
import { newSigningKey, unwrapKey } from './key-wrap.ts'
import { fingerprintOf } from './master-key-proof.ts'
import { signToken } from './token-format.ts'

const maxMintTries = 5

export interface MintedToken {
  /** The secret: shown once, kept nowhere. */
  token: string
  id: TokenId
  kid: KeyId
  createdAt: Date
  expiresAt: Date
}

export interface Minter {
  /**
   * Rejects with `invalid` when a scope is unknown, none is given, or `ttlMs` is not positive. Makes the first signing key if none exists.
   */
  mint(request: {
    orgId: OrgId
    name: string | null
    scopes: readonly string[]
    ttlMs: number
    /** Null: an operator, through the CLI. */
    createdBy: UserId | TokenId | null
  }): Promise<MintedToken>
  /**
   * From now on tokens are signed with a new key. Tokens of older keys stay valid until they expire; with `atOnce` they end on every node
   * within a minute. Rejects with `invalid`, and changes nothing, when the master key is not the cluster's; with `newMasterKey` it becomes
   * the cluster's, and all tokens end.
   */
  rotateKey(options?: { atOnce?: boolean; newMasterKey?: boolean }): Promise<{ kid: KeyId }>
}

/** Mints tokens with the active key of the store. */
export function minter(options: {
  store: Pick<TokenStore, 'insertToken' | 'signingKeys' | 'rotateKey'>
  masterKey: Uint8Array
  /** The actor in the audit log when neither a person nor a token acts. */
  actor?: string
  clock?: Pick<Clock, 'now'>
}): Minter {
  const { store, masterKey, actor, clock = Date } = options

  const rotate = async (atOnce = false, isNew = false): Promise<KeyId> => {
    const key = newSigningKey(masterKey)
    await store.rotateKey(key, actor, atOnce, { fingerprint: fingerprintOf(masterKey), isNew })
    return key.id
  }
  const activeKey = async (): Promise<SigningKey> => {
    const key = await findActive(store)
    if (key !== undefined) return key
    await rotate()
    const made = await findActive(store)
    if (made === undefined)
      throw new AnchorageError('internal', 'no signing key is active, although one was just made')
    return made
  }

  return {
    async mint({ orgId, name, scopes, ttlMs, createdBy }) {
      const granted = parseScopes(scopes)
      const expiresAt = expiry(clock.now(), ttlMs)
      for (let tries = 0; tries < maxMintTries; tries += 1) {
        const key = await activeKey()
        const id = mintId('tok')
        const token: ApiToken = { id, orgId, keyId: key.id, name, scopes: granted, expiresAt, createdBy }
        const bearer = await signToken(token, unwrapKey(masterKey, key))
        const createdAt = await stored(store, token, actor)
        if (createdAt !== null) return { token: bearer, id, kid: key.id, createdAt, expiresAt }
      }
      throw new AnchorageError('unavailable', 'the signing keys are being rotated; try again')
    },
    async rotateKey({ atOnce = false, newMasterKey = false } = {}) {
      return { kid: await rotate(atOnce || newMasterKey, newMasterKey) }
    },
  }
}

/** Stores the token and returns when it was created; null if its key was rotated away in the meantime. */
async function stored(
  store: Pick<TokenStore, 'insertToken'>,
  token: ApiToken,
  actor?: string,
): Promise<Date | null> {
  try {
    return await store.insertToken(token, actor)
  } catch (error) {
    if (isCode(error, 'conflict')) return null
    throw error
  }
}

async function findActive(store: Pick<TokenStore, 'signingKeys'>): Promise<SigningKey | undefined> {
  const keys = await store.signingKeys()
  return keys.find((key) => key.state === 'active')
}

function parseScopes(asked: readonly string[]): Scope[] {
  const unknown = asked.filter((scope) => !knownScopes.some((known) => known === scope))
  const hint = `the scopes are ${knownScopes.join(', ')}`
  if (unknown.length > 0) throw new AnchorageError('invalid', `no such scope: ${unknown.join(', ')}; ${hint}`)
  if (asked.length === 0) throw new AnchorageError('invalid', `a token needs at least one scope; ${hint}`)
  return knownScopes.filter((scope) => asked.includes(scope))
}

/** Rounded down to whole seconds, as a token holds its expiry. */
function expiry(nowMs: number, ttlMs: number): Date {
  const expiresAt = new Date(Math.floor((nowMs + ttlMs) / 1000) * 1000)
  if (!(ttlMs > 0) || Number.isNaN(expiresAt.getTime())) {
    throw new AnchorageError(
      'invalid',
      'the lifetime of a token must be positive, and end before the year 275760',
    )
  }
  return expiresAt
}
