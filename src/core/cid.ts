import { CID } from 'multiformats/cid'
import { base32, base32upper } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base16 } from 'multiformats/bases/base16'
import { base64, base64url } from 'multiformats/bases/base64'
import { AnchorageError } from './errors.ts'

const bases = base32.decoder
  .or(base32upper.decoder)
  .or(base58btc.decoder)
  .or(base36.decoder)
  .or(base16.decoder)
  .or(base64.decoder)
  .or(base64url.decoder)
/** Longer ones are identity hashes with content inside, which Kubo refuses as well (it takes 128 bytes of digest). */
const maxBytes = 192
/** In any base; looked at first, since decoding base58 takes the square of its length. */
const maxText = 512

/**
 * The canonical spelling of the CID that `text` spells: a CIDv0 stays one (base58btc), a CIDv1 is written in base32. The version
 * is kept because Kubo's pins are by CID, and what was asked for must be what `ipfs pin ls` shows.
 * Throws `invalid` when `text` is no CID.
 */
export function parseCid(text: string): string {
  try {
    if (text.length > maxText) throw new Error('too long')
    const cid = /^Qm[1-9A-HJ-NP-Za-km-z]{44}$/.test(text) ? CID.parse(text) : CID.parse(text, bases)
    if (cid.version !== 0 && cid.version !== 1) throw new Error('unknown version')
    if (cid.bytes.length > maxBytes) throw new Error('too long')
    return cid.toString()
  } catch (cause) {
    throw new AnchorageError('invalid', `not a CID: ${JSON.stringify(text.slice(0, 80))}`, { cause })
  }
}
