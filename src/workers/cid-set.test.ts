import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { CidSet } from './cid-set.ts'

const whole = { seed: 12345, max: 1_000_000, buckets: 1, bucket: 0 }
const cidOf = (index: number) => `bafkrei${createHash('sha256').update(String(index)).digest('hex')}`

test('a CidSet answers as a Set does', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), fc.integer(), (inside, asked, seed) => {
      const cids = new CidSet({ ...whole, seed })
      const model = new Set(inside)
      for (const cid of inside) cids.add(cid)
      assert.equal(cids.size, model.size)
      for (const cid of [...inside, ...asked]) assert.equal(cids.has(cid), model.has(cid))
    }),
  )
})

test('100,000 CIDs are found, and 100,000 others are not', () => {
  const cids = new CidSet(whole)
  for (let index = 0; index < 100_000; index++) cids.add(cidOf(index))
  assert.equal(cids.size, 100_000)
  for (let index = 0; index < 100_000; index++) assert.ok(cids.has(cidOf(index)))
  for (let index = 100_000; index < 200_000; index++) assert.ok(!cids.has(cidOf(index)))
})

test('a full set says that it is full and still finds the CIDs that it holds', () => {
  const cids = new CidSet({ ...whole, max: 100 })
  for (let index = 0; index < 100; index++) cids.add(cidOf(index))
  cids.add(cidOf(5))
  assert.equal(cids.full, false)
  cids.add(cidOf(100))
  assert.equal(cids.full, true)
  assert.equal(cids.size, 100)
  assert.ok(cids.has(cidOf(99)) && !cids.has(cidOf(100)))
})

test('every CID falls into exactly one bucket, and the buckets have about the same size', () => {
  const buckets = [0, 1, 2, 3].map((bucket) => new CidSet({ ...whole, buckets: 4, bucket }))
  for (let index = 0; index < 10_000; index++) {
    for (const cids of buckets) cids.add(cidOf(index))
    assert.equal(buckets.filter((cids) => cids.covers(cidOf(index))).length, 1)
  }
  for (const cids of buckets) assert.ok(cids.size > 2_200 && cids.size < 2_800, `${cids.size}`)
})
