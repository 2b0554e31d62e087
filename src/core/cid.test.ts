import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCid } from './cid.ts'
import { isCode } from './errors.ts'

const v0 = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG'
const v1 = 'bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34'

test('a CIDv0 stays one, since Kubo pins by CID', () => {
  assert.equal(parseCid(v0), v0)
})

test('every spelling of a CIDv1 is the same content', () => {
  const spellings = ['zdj7WhuEjrB52m1BisYCtmjH1hSKa7yZ3jEZ9JcXaFRD51wVz', v1, v1.toUpperCase()]
  const canonical = spellings.map(parseCid)
  assert.deepEqual(new Set(canonical.slice(1)), new Set([v1]))
  assert.equal(canonical[0]?.startsWith('baf'), true)
})

test('what is no CID is refused by name', () => {
  for (const text of [
    '',
    'Qm',
    'not-a-cid',
    v0.slice(1),
    `${v1}x`,
    ` ${v1}`,
    'b'.repeat(10_000),
    '../../etc',
    `bafkqaaa\u0000`,
  ])
    assert.throws(
      () => parseCid(text),
      (error) => isCode(error, 'invalid') && error.message.startsWith('not a CID'),
      text.slice(0, 20),
    )
})

test('an identity CID that carries more than Kubo takes is refused', () => {
  const inline = `f0155 00`.replace(' ', '') // raw codec, identity hash
  assert.throws(
    () => parseCid(`${inline}ff01${'00'.repeat(255)}`),
    (error) => isCode(error, 'invalid'),
  )
})
