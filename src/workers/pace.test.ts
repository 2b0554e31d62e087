import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from './pace.ts'

const most = 512

test('while nothing is accepted, copies are as many as there may be', () => {
  const pace = new Pace()
  assert.equal(pace.copies(most, null, true), most)
})

test('beside accepts that stay as fast as they were, copies become more and more, up to the most', () => {
  const pace = new Pace()
  for (let i = 0; i < 20; i++) pace.copies(most, 40, false)
  const first = pace.copies(most, 41, true)
  const next = pace.copies(most, 44, true)
  assert.ok(next > first)
  for (let i = 0; i < 200; i++) pace.copies(most, 44, true)
  assert.equal(pace.copies(most, 44, true), most)
})

test('accepts that become slow halve them at each look, but never stop them', () => {
  const pace = new Pace()
  for (let i = 0; i < 20; i++) pace.copies(most, 40, false)
  for (let i = 0; i < 50; i++) pace.copies(most, 40, true)
  const before = pace.copies(most, 40, true)
  const after = pace.copies(most, 90, true)
  assert.equal(after, Math.floor(before / 2))
  for (let i = 0; i < 20; i++) pace.copies(most, 900, true)
  const least = pace.copies(most, 900, true)
  assert.ok(least > 0 && least <= 8)
})

test('what is usual is learned without copies only: slowness that they cause does not become usual', () => {
  const pace = new Pace()
  for (let i = 0; i < 100; i++) pace.copies(most, 500, true)
  for (let i = 0; i < 100; i++) pace.copies(most, 20, false)
  for (let i = 0; i < 10; i++) pace.copies(most, 500, true)
  assert.ok(pace.copies(most, 500, true) <= 8)
})
