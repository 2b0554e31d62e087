import { multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { decode } from 'multiformats/hashes/digest'
import { AnchorageError } from './errors.ts'

/** Longer than any real address; base58 decodes in quadratic time, so the bound is also a defence. */
const maxOriginLength = 1024
/** Go writes a socket's path as it is, where a part of an address would have no slash: taken as an origin, and never dialled. */
const socketPath = /^\/unix\/(.+)(?=\/p2p\/[^/]+$)/
const sha256 = 0x12
const identity = 0x00
const libp2pKey = 0x72

/** `text` itself, when it is a multiaddr that ends in `/p2p/PEERID`; else throws `invalid` and says what is wrong with it. */
export function parseOrigin(text: string): string {
  if (text.length > maxOriginLength) throw bad(`longer than ${maxOriginLength} characters`)
  if (text.includes('//') || text.endsWith('/')) throw bad('an empty part between slashes')
  const last = componentsOf(text).at(-1)
  if (last?.name !== 'p2p' || last.value === undefined) throw bad('it must end in /p2p/PEERID')
  if (!isPeerId(last.value)) throw bad('what follows the last /p2p/ is not a peer id')
  return text
}

function componentsOf(text: string) {
  try {
    const parts = text.replace(socketPath, (_, path: string) => `/unix/${encodeURIComponent(path)}`)
    return multiaddr(parts).getComponents()
  } catch (cause) {
    throw bad('it cannot be parsed', cause)
  }
}

/** A peer id is the multihash of a key: bare in base58, or as a CID of codec `libp2p-key`. */
function isPeerId(text: string): boolean {
  try {
    const bare = text.startsWith('Qm') || text.startsWith('1')
    const cid = bare ? null : CID.parse(text)
    if (cid !== null && cid.code !== libp2pKey) return false
    const hash = cid?.multihash ?? decode(base58btc.baseDecode(text))
    return (
      (hash.code === sha256 && hash.size === 32) ||
      (hash.code === identity && hash.size > 0 && hash.size <= 42)
    )
  } catch {
    return false
  }
}

function bad(why: string, cause?: unknown): AnchorageError {
  return new AnchorageError('invalid', `not a multiaddr of a peer: ${why}`, { cause })
}
