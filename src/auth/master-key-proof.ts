import { createHmac } from 'node:crypto'
import { AnchorageError, isCode } from '../core/errors.ts'
import { masterKeyAdvice } from '../core/master-key.ts'
import type { TokenStore } from '../core/ports.ts'
import type { SigningKey } from '../core/token.ts'
import { unwrapKey } from './key-wrap.ts'

/**
 * Tells master keys apart without showing anything of them: 128 bits of an HMAC of a fixed text. A master key has 256 random bits, so it
 * cannot be guessed from this.
 */
export function fingerprintOf(masterKey: Uint8Array): string {
  return createHmac('sha256', masterKey).update('anchorage master key').digest('hex').slice(0, 32)
}

/** Rejects (`invalid`, with what to do) unless the master key opens the key that signs tokens now, if there is one. */
export async function proveMasterKey(
  store: Pick<TokenStore, 'signingKeys'>,
  masterKey: Uint8Array,
): Promise<void> {
  const active = (await store.signingKeys()).find(({ state }) => state === 'active')
  if (active !== undefined) assertOpens(masterKey, active)
}

/** Throws `invalid`, with what to do, unless the master key opens this signing key. */
export function assertOpens(masterKey: Uint8Array, key: Pick<SigningKey, 'id' | 'wrapped'>): void {
  try {
    unwrapKey(masterKey, key)
  } catch (cause) {
    if (!isCode(cause, 'internal')) throw cause
    throw new AnchorageError(
      'invalid',
      `auth.masterKey cannot decrypt the signing key ${key.id}: ${masterKeyAdvice}`,
      { cause },
    )
  }
}
