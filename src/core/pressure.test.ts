import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pressure } from './pressure.ts'

test('a few accepts are no pressure, a crowd is, and it is over a moment after it left', async () => {
  let now = 1_000
  const pressed = pressure({ now: () => now })
  const ends: (() => void)[] = []
  const accept = (): Promise<void> => pressed.during(new Promise((resolve) => ends.push(resolve)))
  const few = Array.from({ length: 7 }, accept)
  assert.equal(pressed.high(), false)
  const last = accept()
  assert.equal(pressed.high(), true)
  for (const end of ends) end()
  await Promise.all([...few, last])
  now += 99
  assert.equal(pressed.high(), true)
  now += 1
  assert.equal(pressed.high(), false)
})

test('what fails is counted out as well', async () => {
  const pressed = pressure({ now: () => 0 })
  for (let i = 0; i < 20; i++) await assert.rejects(pressed.during(Promise.reject(new Error('no'))))
  assert.equal(pressed.high(), false)
})
