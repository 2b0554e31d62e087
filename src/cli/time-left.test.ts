import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeLeft } from './time-left.ts'

test('the remaining time follows the rate of the last minute, and is null without a rate', () => {
  let atMs = 0
  const left = timeLeft(() => atMs)
  assert.equal(left(1000), null, 'it was just begun')
  atMs = 1_000
  assert.equal(left(900), null, 'too soon to tell')
  atMs = 10_000
  assert.equal(left(500), 10_000)
  atMs = 11_000
  assert.equal(left(1000), null, 'it does not shrink')
  atMs = 80_000
  assert.equal(left(400), null, 'values older than a minute do not count')
  atMs = 90_000
  assert.equal(left(200), 10_000)
  atMs = 95_000
  assert.equal(left(0), 0)
})
