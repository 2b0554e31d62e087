import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pressure } from './accept-pressure.ts'

test('a few accepts are no pressure; a crowd is, until a moment after it has left', async () => {
  let now = 1_000
  const pressed = pressure({ steadyMs: () => now })
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

test('an accept that fails no longer counts as under way', async () => {
  const pressed = pressure({ steadyMs: () => 0 })
  for (let i = 0; i < 20; i++) await assert.rejects(pressed.during(Promise.reject(new Error('no'))))
  assert.equal(pressed.high(), false)
})

test('the accept time is that of the last seconds without the slowest tenth', async () => {
  let now = 0
  const pressed = pressure({ steadyMs: () => now })
  const accept = async (tookMs: number): Promise<void> => {
    const gate = Promise.withResolvers<void>()
    const done = pressed.during(gate.promise)
    now += tookMs
    gate.resolve()
    await done
  }
  assert.equal(pressed.acceptMs(), null)
  for (const tookMs of [5, 5, 5, 5, 5, 5, 5, 5, 9, 900]) await accept(tookMs)
  assert.equal(pressed.acceptMs(), 900)
  for (let i = 0; i < 10; i++) await accept(7)
  assert.equal(pressed.acceptMs(), 9)
  now += 3_000
  assert.equal(pressed.acceptMs(), null)
})
