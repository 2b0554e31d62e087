import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { base16, base16upper } from 'multiformats/bases/base16'
import { base32, base32upper } from 'multiformats/bases/base32'
import { base36, base36upper } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64, base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { canonicalCid, parseCid } from './cid.ts'
import { isCode } from './errors.ts'

const v0 = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG'
const v1 = 'bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34'

/** Bases in which letters have no case, and bases in which they do. */
const caseless = [base32, base32upper, base36, base36upper, base16, base16upper]
const cased = [base58btc, base64, base64url]

const v1s = fc
  .record({
    codec: fc.constantFrom(0x55, 0x70, 0x71, 0x0129),
    hash: fc.constantFrom(0x12, 0x13, 0xb220),
    digest: fc.uint8Array({ minLength: 20, maxLength: 64 }),
  })
  .map(({ codec, hash, digest }) => CID.createV1(codec, create(hash, digest)))

/** `cid` in some base, with the letters after the prefix in any case that means the same in that base. */
function spellings(cid: CID): fc.Arbitrary<string> {
  const mixed = fc
    .tuple(fc.constantFrom(...caseless), fc.infiniteStream(fc.boolean()))
    .map(([base, upper]) => {
      const [prefix = '', ...letters] = base.encode(cid.bytes)
      return (
        prefix +
        letters
          .map((letter) => (upper.next().value === true ? letter.toUpperCase() : letter.toLowerCase()))
          .join('')
      )
    })
  return fc.oneof(
    mixed,
    fc.constantFrom(...cased).map((base) => base.encode(cid.bytes)),
  )
}

test('a CIDv0 stays a CIDv0, since Kubo pins by CID', () => {
  assert.equal(parseCid(v0), v0)
})

test('every spelling of a CIDv1 gives the same canonical text', () => {
  const spelled = v1s.chain((cid) => fc.tuple(fc.constant(base32.encode(cid.bytes)), spellings(cid)))
  fc.assert(
    fc.property(spelled, ([canonical, spelling]) => {
      assert.equal(parseCid(spelling), canonical)
      assert.equal(canonicalCid(spelling), canonical)
    }),
    { numRuns: 1_000 },
  )
})

test('a CID in mixed case is still the same CID', () => {
  for (let at = 1; at < v1.length; at++)
    assert.equal(parseCid(v1.slice(0, at) + v1.slice(at).toUpperCase()), v1)
})

test('text that is not a CID is refused as such', () => {
  for (const text of [
    '',
    'Q',
    'Qm',
    'not-a-cid',
    v0.slice(1),
    `${v1}x`,
    `${v1}=`,
    `${v1}a`,
    ` ${v1}`,
    'b'.repeat(10_000),
    '../../etc',
    `bafkqaaa\u0000`,
    // a CIDv0 must not have a base prefix
    `z${v0}`,
    base32.encode(base58btc.baseDecode(v0)),
    // the codec in more bytes than it needs
    base32.encode(Uint8Array.of(1, 0xf0, 0x80, 0, ...CID.parse(v1).multihash.bytes)),
  ])
    assert.throws(
      () => parseCid(text),
      (error) => isCode(error, 'invalid') && error.message.startsWith('not a CID'),
      text.slice(0, 20),
    )
})

test('an IPNS name is refused as what it is', () => {
  const key = base58btc.baseDecode('12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA')
  const name = Uint8Array.of(1, 0x72, ...key)
  for (const text of [
    base36.encode(name),
    base32.encode(name),
    base58btc.encode(name),
    '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA',
  ])
    assert.throws(
      () => parseCid(text),
      (error) => isCode(error, 'invalid') && error.message.startsWith('this is an IPNS name'),
      text,
    )
})

test('an identity CID with more bytes than Kubo takes is refused', () => {
  const inline = `f0155 00`.replace(' ', '') // raw codec, identity hash
  assert.throws(
    () => parseCid(`${inline}ff01${'00'.repeat(255)}`),
    (error) => isCode(error, 'invalid'),
  )
})

test('text from Kubo that we would not accept as a CID is returned unchanged', () => {
  assert.equal(canonicalCid('not a CID'), 'not a CID')
})
