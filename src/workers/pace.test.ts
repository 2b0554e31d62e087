import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from './pace.ts'

const most = 512

function pace() {
  let nowMs = 0
  const asked = new Pace({ steadyMs: () => nowMs })
  return {
    /** The answer one second later. */
    copies(acceptMs: number | null, busy: boolean) {
      nowMs += 1_000
      return asked.copies(most, acceptMs, busy)
    },
    atOnce: (acceptMs: number | null, busy: boolean) => asked.copies(most, acceptMs, busy),
  }
}

test('while nothing is accepted, the maximum of copies is allowed', () => {
  assert.equal(pace().copies(null, true), most)
})

test('while accepts stay as fast as before, more and more copies are allowed, up to the maximum', () => {
  const at = pace()
  for (let i = 0; i < 20; i++) at.copies(40, false)
  const first = at.copies(41, true)
  assert.ok(at.copies(44, true) > first)
  for (let i = 0; i < 200; i++) at.copies(44, true)
  assert.equal(at.copies(44, true), most)
})

test('accepts that become slow halve the copies each second, however often the pace is asked, but never stop them', () => {
  const at = pace()
  for (let i = 0; i < 20; i++) at.copies(40, false)
  for (let i = 0; i < 50; i++) at.copies(40, true)
  const before = at.copies(40, true)
  const after = at.copies(90, true)
  assert.equal(after, Math.floor(before / 2))
  for (let i = 0; i < 20; i++) assert.equal(at.atOnce(90, true), after)
  for (let i = 0; i < 20; i++) at.copies(900, true)
  const least = at.copies(900, true)
  assert.ok(least > 0 && least <= 8)
})

test('the usual time is learned only without copies, so that slowness caused by copies does not become usual', () => {
  const at = pace()
  for (let i = 0; i < 100; i++) at.copies(500, true)
  for (let i = 0; i < 100; i++) at.copies(20, false)
  for (let i = 0; i < 10; i++) at.copies(500, true)
  assert.ok(at.copies(500, true) <= 8)
})
