import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progress } from './progress.ts'

test('a terminal has one line that is kept current, no wider than the terminal, and is cleared at the end', () => {
  const { told, shown, after } = stage({ columns: 8 })
  shown.tell('too early')
  after(200)
  shown.tell('10 of 20 pins')
  shown.tell('at once again')
  after(200)
  shown.tell('20')
  shown.done()
  shown.done()
  assert.deepEqual(told, ['\r\u001b[K10 of 2', '\r\u001b[K20', '\r\u001b[K'])
})

test('letters that are two columns wide count as two', () => {
  const { told, shown, after } = stage({ columns: 8 })
  after(200)
  shown.tell('日本語日本語')
  assert.deepEqual(told, ['\r\u001b[K日本語'])
})

test('without a terminal there is a line every few seconds', () => {
  const { told, shown, after } = stage(null)
  for (let n = 1; n <= 60; n++) {
    after(200)
    shown.tell(`${n} of 60`)
  }
  shown.done()
  assert.deepEqual(told, ['25 of 60\n', '50 of 60\n'])
})

test('with --json there is no progress output', () => {
  const { told, shown, after } = stage({ columns: 80 }, true)
  after(60_000)
  shown.tell('x')
  shown.done()
  assert.deepEqual(told, [])
})

function stage(terminal: { columns: number } | null, quiet = false) {
  const told: string[] = []
  let nowMs = 0
  const io = { err: (text: string) => void told.push(text), terminal }
  return { told, shown: progress(io, quiet, () => nowMs), after: (ms: number) => (nowMs += ms) }
}
