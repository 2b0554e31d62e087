import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import type { PinErrorCode } from '../core/pin.ts'
import { kuboDown, kuboError } from './kubo-errors.ts'

/** Texts of Kubo 0.43, each recorded in the situation that its code names. */
const texts: [PinErrorCode, permanent: boolean, text: string][] = [
  ['not_found_in_time', false, 'context deadline exceeded'],
  ['not_found_in_time', false, 'pin: context deadline exceeded'],
  [
    'not_found_in_time',
    false,
    'pin: block was not found locally (offline): ipld: could not find bafkreibyd7',
  ],
  ['kubo_down', false, 'pin: promise channel was closed'],
  ['kubo_down', false, 'context canceled'],
  ['node_full', false, 'pin: write /srv/kubo/blocks/.temp/temp-36: no space left on device'],
  ['node_full', false, 'pin: write /srv/kubo/blocks/.temp/temp-36: disk quota exceeded'],
  ['bad_content', true, 'pin: potentially insecure hash functions not allowed'],
  ['bad_content', true, 'pin: digest too large: identity digest got 129 bytes, maximum 128'],
  ['bad_content', true, 'pin: digest too small: sha2-256 digest got 10 bytes, minimum 20'],
  [
    'bad_content',
    true,
    'pin: could not choose a decoder: no decoder registered for multicodec code 144 (0x90)',
  ],
  ['bad_content', true, 'pin: protobuf: (PBNode) invalid wireType, expected 2, got 1'],
  ['bad_content', true, 'pin: protobuf: (PBLink) invalid fieldNumber, expected 1, 2 or 3, got 4'],
  ['bad_content', true, 'pin: proto:\u00a0invalid field number'],
  ['bad_content', true, 'pin: unsupported multiple tags on a single data item'],
  ['bad_content', true, 'pin: invalid literal suffix: expected "rue", got "x"'],
  [
    'bad_content',
    true,
    'pin: invalid Hash field found in link, expected CID (invalid cid: expected 1 as the cid version number, got: 7)',
  ],
  ['bad_content', true, 'pin: unexpected content after end of cbor object'],
  ['bad_content', true, 'pin: cbor: integer not minimally encoded'],
  ['bad_content', true, 'pin: decodeUint: Invalid descriptor: 15'],
  ['bad_content', true, 'pin: unhandled cbor tag 4'],
  ['bad_content', true, 'pin: message structure demanded too many resources to process'],
  ['bad_content', true, 'pin: invalid char while expecting start of value: 0x19'],
  ['bad_content', true, 'pin: expected comma or array close after array value; got 0x3'],
  ['bad_content', true, 'pin: unexpected map open token while expecting map key'],
  [
    'bad_content',
    true,
    'pin: func called on wrong kind: "AssignInt" called on a dagjose.DecodedJWS.Repr node (kind: map), but only makes sense on int',
  ],
  ['bad_content', true, 'pin: unrecognized object type: "tre"'],
  ['bad_content', true, 'pin: strconv.Atoi: parsing "x": invalid syntax'],
  ['bad_content', true, 'pin: EOF'],
  ['bad_content', true, 'pin: unexpected EOF'],
  ['bad_content', true, 'invalid path "zzz": path does not have enough components'],
  ['kubo_error', false, 'pin name is 300 bytes (max 255 bytes)'],
  ['kubo_error', false, 'something that no Kubo said so far'],
  ['kubo_error', false, 'pin: read /srv/kubo/blocks/AB/X.data: input/output error'],
]

for (const [code, permanent, text] of texts)
  test(`${code}${permanent ? ', for good' : ''}: ${text}`, () => {
    const error = kuboError(500, text)
    assert.equal(error.code, code)
    assert.equal(error.permanent, permanent)
    assert.ok(String(error.cause).includes(text), 'the log has the words of Kubo')
    assert.ok(!error.message.includes('/srv'), 'a stranger sees no path of this machine')
  })

test('no answer means that Kubo is down, and is worth another try', () => {
  const error = kuboDown(new Error('connect ECONNREFUSED 127.0.0.1:5001'))
  assert.equal(error.code, 'kubo_down')
  assert.equal(error.permanent, false)
  assert.ok(!error.message.includes('127.0.0.1'))
})

test('the errors for refused credentials and for a wrong address say what to check', () => {
  assert.match(
    kuboError(403, 'Kubo RPC Access Denied: Please provide a valid authorization token').message,
    /credentials/,
  )
  assert.match(kuboError(404, '404 page not found').message, /no Kubo RPC at/)
})
