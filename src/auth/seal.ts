import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import type { Seal, Stamp } from '../core/sessions.ts'

const cipher = 'aes-256-gcm'
const nonceLength = 12
const tagLength = 16
const macLength = 16
/** The length of the MAC in base64url. */
const macText = 22

/**
 * A seal for one `purpose`. Its key is derived from the master key (HKDF, RFC 5869), so every node can open what any node has sealed, and a
 * text sealed for one purpose does not open for another.
 */
export function sealFor(masterKey: Uint8Array, purpose: string): Seal {
  const key = keyFor(masterKey, purpose)
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

/** A stamp for one `purpose`, with a key derived in the same way: 128 bits of HMAC-SHA-256 in base64url, appended to the text. */
export function stampFor(masterKey: Uint8Array, purpose: string): Stamp {
  const key = keyFor(masterKey, purpose)
  const put = (text: string): string =>
    text + createHmac('sha256', key).update(text).digest().subarray(0, macLength).toString('base64url')
  return {
    put,
    holds(stamped) {
      const [given, made] = [Buffer.from(stamped), Buffer.from(put(stamped.slice(0, -macText)))]
      return given.length === made.length && timingSafeEqual(given, made)
    },
  }
}

function keyFor(masterKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, '', `anchorage ${purpose}`, 32))
}
