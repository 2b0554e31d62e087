import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AnchorageError } from '../core/errors.ts'
import { mintId } from '../core/ids.ts'
import type { KeyId } from '../core/ids.ts'
import type { SigningKey } from '../core/token.ts'

const cipher = 'aes-256-gcm'
const keyLength = 32
const nonceLength = 12
const tagLength = 16

/** A new 256-bit signing key, wrapped as it is stored. */
export function newSigningKey(masterKey: Uint8Array): SigningKey {
  const id = mintId('key')
  return { id, wrapped: wrapKey(masterKey, id, randomBytes(keyLength)), state: 'active' }
}

/**
 * Encrypts `secret` with the master key, as nonce, tag and ciphertext. The key's id is authenticated too, so a wrapped key does not open
 * under another id.
 */
export function wrapKey(masterKey: Uint8Array, id: KeyId, secret: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceLength)
  const box = createCipheriv(cipher, masterKey, nonce).setAAD(Buffer.from(id))
  const sealed = Buffer.concat([box.update(secret), box.final()])
  return Buffer.concat([nonce, box.getAuthTag(), sealed])
}

/** The secret of a wrapped key. Throws `internal` when it cannot be decrypted: the master key differs or the row was changed. */
export function unwrapKey(masterKey: Uint8Array, key: Pick<SigningKey, 'id' | 'wrapped'>): Uint8Array {
  const nonce = key.wrapped.subarray(0, nonceLength)
  const tag = key.wrapped.subarray(nonceLength, nonceLength + tagLength)
  const sealed = key.wrapped.subarray(nonceLength + tagLength)
  try {
    const box = createDecipheriv(cipher, masterKey, nonce, { authTagLength: tagLength })
    box.setAAD(Buffer.from(key.id)).setAuthTag(tag)
    const secret = Buffer.concat([box.update(sealed), box.final()])
    assert.equal(secret.length, keyLength, 'a signing key has 256 bits')
    return secret
  } catch (cause) {
    throw new AnchorageError(
      'internal',
      `signing key ${key.id} cannot be decrypted with this node's auth.masterKey: use the same master key ` +
        'on all nodes',
      { cause },
    )
  }
}
