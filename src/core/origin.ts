import { multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { decode } from 'multiformats/hashes/digest'
import { AnchorageError, isCode } from './errors.ts'

/** Longer than any real address. */
export const maxOriginLength = 1024
/** A part this long exceeds any DNS name. The bound is also a defence, since base58 decodes in quadratic time. */
const longPart = /[^/]{257}/
/** How many origins of a pin are kept: as many as the spec lets a pin show. */
export const maxOrigins = 20
/** How many are examined to find those: Kubo announces some dozens. */
export const maxLooked = 100
/** How many unusable origins are named in the report, and how many characters of each. */
const maxNamed = 5
const maxNameLength = 100
/**
 * Go writes the path of a Unix socket with its slashes, which other parts of an address do not contain. Accepted as an origin, but never
 * dialled.
 */
const socketPath = /^\/unix\/(.+)(?=\/p2p\/[^/]+$)/
const sha256 = 0x12
const identity = 0x00
const libp2pKey = 0x72

/**
 * The first 20 usable origins of `given`, each once, and a description of those passed over; null when none was. An origin is a hint: an
 * unusable or surplus one does not refuse the pin.
 */
export function usableOrigins(given: readonly string[]): { origins: string[]; passedOver: string | null } {
  const origins = new Set<string>()
  const unusable: string[] = []
  let looked = 0
  for (const text of given.slice(0, maxLooked)) {
    if (origins.size === maxOrigins) break
    looked++
    try {
      origins.add(parseOrigin(text))
    } catch (error) {
      if (!isCode(error, 'invalid')) throw error
      unusable.push(`${text.slice(0, maxNameLength).toWellFormed()} (${error.message})`)
    }
  }
  const repeated = looked - origins.size - unusable.length
  const reasons = [
    ...(looked < given.length ? [`${given.length - looked} after the first ${looked}`] : []),
    ...(repeated > 0 ? [`${repeated} repeated`] : []),
    ...(unusable.length > 0
      ? [`${unusable.length} unusable: ${unusable.slice(0, maxNamed).join(', ')}`]
      : []),
  ]
  const passedOver = `${given.length - origins.size} of ${given.length}: ${reasons.join('; ')}`
  return { origins: [...origins], passedOver: reasons.length === 0 ? null : passedOver }
}

/** Returns `text` when it is a multiaddr that ends in `/p2p/PEERID`. Otherwise throws `invalid` with the reason. */
export function parseOrigin(text: string): string {
  if (text.length > maxOriginLength) throw bad(`longer than ${maxOriginLength} characters`)
  if (longPart.test(text)) throw bad('a part is too long for a name')
  if (text.includes('//') || text.endsWith('/')) throw bad('an empty part between slashes')
  const last = componentsOf(text).at(-1)
  if (last?.name !== 'p2p' || last.value === undefined) throw bad('it must end in /p2p/PEERID')
  if (!isPeerId(last.value)) throw bad('the text after the last /p2p/ is not a peer id')
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

/** A peer id is the multihash of a key, either bare in base58 or as a CID with the codec `libp2p-key`. */
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
