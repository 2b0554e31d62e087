import { IpfsError } from '../core/ipfs-error.ts'
import type { PinErrorCode } from '../core/pin.ts'

/**
 * What Kubo's refusal means for us. Kubo has no error codes, only texts; these were collected from Kubo 0.43 by doing to it
 * what they complain of. A text not known here is `kubo_error` and worth another try: only what is sure to fail again may be
 * permanent, or a passing trouble would fail a pin for ever.
 */
export function kuboError(status: number, text: string): IpfsError {
  const cause = new Error(`Kubo answered ${status}: ${text}`)
  for (const { pattern, code, permanent, sentence } of meanings)
    if (pattern.test(text)) return new IpfsError(code, sentence(text), { permanent, cause })
  if (status === 401 || status === 403)
    return new IpfsError('kubo_error', 'Kubo refuses this node: its RPC asks for credentials', { cause })
  if (status === 404) return new IpfsError('kubo_error', 'no Kubo RPC at the configured address', { cause })
  return new IpfsError('kubo_error', `Kubo failed: ${withoutPaths(text)}`, { cause })
}

/** No answer at all, or one that broke off: Kubo is not there, is stopping, or was killed. */
export function kuboDown(cause: unknown): IpfsError {
  return new IpfsError('kubo_down', 'Kubo cannot be reached', { cause })
}

interface Meaning {
  pattern: RegExp
  code: PinErrorCode
  permanent: boolean
  /** What a stranger may read: no paths and addresses of this machine. */
  sentence: (text: string) => string
}

const unreadable = (text: string) => `the content cannot be read: ${withoutPaths(text.replace(/^pin: /, ''))}`
const insecure = (text: string) => `Kubo does not take this CID: ${text.replace(/^pin: /, '')}`

/** The first that matches counts. */
const meanings: Meaning[] = [
  {
    pattern: /no space left on device|disk quota exceeded|maximum storage limit exceeded/i,
    code: 'node_full',
    permanent: false,
    sentence: () => 'the disk of this node is full',
  },
  {
    // Kubo is on its way down: what it waited for is taken from it.
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
    sentence: () => 'no node that holds it was found in time',
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
    // What the decoders of dag-pb, dag-cbor, dag-json, dag-jose and git say to bytes that are not theirs: the CID names
    // exactly these bytes, so they will never be better.
    pattern: new RegExp(
      `^pin: (${[
        // protobuf puts a no-break space after its name, in some builds.
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
