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
/** Longer ones are identity hashes with content inside, which Kubo refuses as well (it takes 128 bytes of digest). */
export const maxCidBytes = 192
/** In any base; looked at first, since decoding base58 takes the square of its length. */
const maxText = 512
/** How every canonical spelling looks, and no other CID. */
const canonical = /^(?:b[a-z2-7]+|Qm[1-9A-HJ-NP-Za-km-z]{44})$/
const libp2pKey = 0x72
/** A key as libp2p writes it: what an IPNS name is without its base and codec. */
const bareKey = /^(?:12D3KooW|16Uiu2HA)[1-9A-HJ-NP-Za-km-z]+$/

/**
 * The canonical spelling of the CID that `text` spells, written anew from its bytes: a CIDv0 stays one (base58btc), a CIDv1 is
 * written in base32. The version is kept because Kubo's pins are by CID, and what was asked for must be what `ipfs pin ls` shows.
 * Throws `invalid` when `text` is no CID, or is an IPNS name.
 */
export function parseCid(text: string): string {
  const cid = decoded(text)
  if (cid?.code === libp2pKey || bareKey.test(text))
    throw invalid('this is an IPNS name, not a CID; send the CID that it points to', text)
  if (cid === null) throw invalid('not a CID', text)
  return cid.toString()
}

/** The same for what Kubo says, which need not be content that we would take: that is given back as it is. */
export function canonicalCid(text: string): string {
  return canonical.test(text) ? text : (decoded(text)?.toString() ?? text)
}

/** By its bytes alone: of a CID that was parsed, multiformats gives the text back as it was, with what decoders pass over. */
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
