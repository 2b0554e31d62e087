import { IpfsError } from '../core/ipfs-error.ts'
import type { PinErrorCode } from '../core/pin.ts'

/**
 * Translates a refusal of Kubo. Kubo has no error codes, only texts; these were collected by causing each error in Kubo 0.43. An unknown
 * text becomes `kubo_error` and is worth another try. Only errors that are sure to happen again may be permanent, or a passing problem
 * would fail a pin for ever.
 */
export function kuboError(status: number, text: string): IpfsError {
  const cause = new Error(`Kubo answered ${status}: ${text}`)
  for (const { pattern, code, permanent, sentence } of meanings)
    if (pattern.test(text)) return new IpfsError(code, sentence(text), { permanent, cause })
  if (status === 401 || status === 403)
    return new IpfsError(
      'kubo_error',
      'Kubo refuses this node, because its RPC needs credentials: add them to kubo.rpc',
      { cause },
    )
  if (status === 404)
    return new IpfsError('kubo_error', 'there is no Kubo RPC at the address in kubo.rpc', { cause })
  return new IpfsError('kubo_error', `Kubo failed: ${withoutPaths(text)}`, { cause })
}

/** Kubo gave no answer, or its answer broke off: it is not running, is stopping, or was killed. */
export function kuboDown(cause: unknown): IpfsError {
  return new IpfsError('kubo_down', 'Kubo cannot be reached', { cause })
}

interface Meaning {
  pattern: RegExp
  code: PinErrorCode
  permanent: boolean
  /** The text that a stranger may read. It contains no paths and addresses of this machine. */
  sentence: (text: string) => string
}

const unreadable = (text: string) => `the content cannot be read: ${withoutPaths(text.replace(/^pin: /, ''))}`
const insecure = (text: string) => `Kubo does not accept this CID: ${text.replace(/^pin: /, '')}`

/** The first match counts. */
const meanings: Meaning[] = [
  {
    pattern: /no space left on device|disk quota exceeded|maximum storage limit exceeded/i,
    code: 'node_full',
    permanent: false,
    sentence: () => 'the disk of this node is full',
  },
  {
    // Kubo is stopping and cancels the work that it waits for.
    pattern:
      /promise channel was closed|context canceled|pinner is closed|(leveldb|pebble|datastore):? ?closed/,
    code: 'kubo_down',
    permanent: false,
    sentence: () => 'Kubo is stopping',
  },
  {
    pattern: /context deadline exceeded|not found locally|could not find/,
    code: 'not_found_in_time',
    permanent: false,
    sentence: () => 'no node with the content was found in time',
  },
  {
    pattern: /potentially insecure hash|digest too (small|large)/,
    code: 'bad_content',
    permanent: true,
    sentence: insecure,
  },
  {
    pattern: /no decoder registered for multicodec|invalid path|invalid cid|selected encoding not supported/,
    code: 'bad_content',
    permanent: true,
    sentence: unreadable,
  },
  {
    // Errors of the decoders of dag-pb, dag-cbor, dag-json, dag-jose and git for bytes that are not in their format. The CID names exactly
    // these bytes, so another try cannot help.
    pattern: new RegExp(
      `^pin: (${[
        // In some builds protobuf puts a no-break space after its name.
        'protobuf: |proto:\\s|invalid Hash field|unsupported multiple tags|invalid multibase|missing required fields',
        'cbor: |unexpected content after end of|unhandled cbor tag|decodeUint: |invalid majorByte|message structure demanded',
        'invalid (char|byte|unprintable byte|literal suffix|key for map)|expected (comma|colon)|unexpected \\w+( open)? token',
        'func called on wrong kind|strconv\\.|unrecognized object type|illegal base',
        'EOF$|unexpected EOF$',
      ].join('|')})`,
    ),
    code: 'bad_content',
    permanent: true,
    sentence: unreadable,
  },
]

function withoutPaths(text: string): string {
  return text.replace(/(^|[\s"'([])\/\S+/g, '$1…').slice(0, 200)
}
