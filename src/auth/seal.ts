import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Seal } from '../core/sessions.ts'

const cipher = 'aes-256-gcm'
const nonceLength = 12
const tagLength = 16

/**
 * A seal for one `purpose`, with a key of its own from the master key (HKDF, RFC 5869), so that every node opens what any has closed, and
 * nothing closed for one purpose passes for another.
 */
export function sealFor(masterKey: Uint8Array, purpose: string): Seal {
  const key = Buffer.from(hkdfSync('sha256', masterKey, '', `anchorage ${purpose}`, 32))
  return {
    close(plain) {
      const nonce = randomBytes(nonceLength)
      const box = createCipheriv(cipher, key, nonce)
      const sealed = Buffer.concat([box.update(plain), box.final()])
      return Buffer.concat([nonce, box.getAuthTag(), sealed]).toString('base64url')
    },
    open(text) {
      const bytes = Buffer.from(text, 'base64url')
      const body = bytes.subarray(nonceLength + tagLength)
      if (bytes.length <= nonceLength + tagLength) return null
      const box = createDecipheriv(cipher, key, bytes.subarray(0, nonceLength), { authTagLength: tagLength })
      box.setAuthTag(bytes.subarray(nonceLength, nonceLength + tagLength))
      try {
        return Buffer.concat([box.update(body), box.final()]).toString()
      } catch {
        return null
      }
    },
  }
}
