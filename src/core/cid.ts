import { base16, base16upper } from 'multiformats/bases/base16'
import { base32, base32upper } from 'multiformats/bases/base32'
import { base36, base36upper } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64, base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import { AnchorageError } from './errors.ts'

const bases = base32.decoder
  .or(base32upper.decoder)
  .or(base58btc.decoder)
  .or(base36.decoder)
  .or(base36upper.decoder)
  .or(base16.decoder)
  .or(base16upper.decoder)
  .or(base64.decoder)
  .or(base64url.decoder)
/** Longer CIDs are identity hashes with the content inside. Kubo refuses them as well (it takes 128 bytes of digest). */
export const maxCidBytes = 192
/** The longest text of a CID in any base. It is checked before decoding, since decoding base58 takes quadratic time. */
const maxText = 512
/** Matches every canonical spelling, and no other spelling of a CID. */
const canonical = /^(?:b[a-z2-7]+|Qm[1-9A-HJ-NP-Za-km-z]{44})$/
const libp2pKey = 0x72
/** A key as libp2p writes it: an IPNS name without its base and codec. */
const bareKey = /^(?:12D3KooW|16Uiu2HA)[1-9A-HJ-NP-Za-km-z]+$/

/**
 * The canonical spelling of the CID in `text`, written from its bytes: a CIDv0 stays a CIDv0 (base58btc), a CIDv1 is written in base32. The
 * version is kept because Kubo pins by CID, and `ipfs pin ls` must show the CID that was asked for. Throws `invalid` when `text` is not a
 * CID, or is an IPNS name.
 */
export function parseCid(text: string): string {
  const cid = decoded(text)
  if (cid?.code === libp2pKey || bareKey.test(text))
    throw invalid('this is an IPNS name, not a CID; send the CID that it points to', text)
  if (cid === null) throw invalid('not a CID', text)
  return cid.toString()
}

/** The same for text from Kubo, which may be a CID that we would not accept. Such text is returned unchanged. */
export function canonicalCid(text: string): string {
  return canonical.test(text) ? text : (decoded(text)?.toString() ?? text)
}

/**
 * Decodes the bytes and makes a new CID from them. A CID parsed from text would print that text again, with the characters that decoders
 * skip.
 */
function decoded(text: string): CID | null {
  if (text.length > maxText || text.includes('=')) return null
  try {
    const bare = text.startsWith('Q')
    const bytes = bare ? base58btc.baseDecode(text) : bases.decode(text)
    const cid = CID.decode(bytes)
    const whole = bytes.length <= maxCidBytes && Buffer.compare(cid.bytes, bytes) === 0
    return whole && (cid.version === 0) === bare ? cid : null
  } catch {
    return null
  }
}

function invalid(why: string, text: string): AnchorageError {
  return new AnchorageError('invalid', `${why}: ${JSON.stringify(text.slice(0, 80))}`)
}
