import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { sideBySide } from './side-by-side.ts'

test('both functions begin before either has ended', async () => {
  const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  const both = sideBySide(
    undefined,
    async () => (second.resolve('begun'), first.promise),
    async () => (first.resolve('begun too'), second.promise),
  )
  assert.deepEqual(await both, ['begun too', 'begun'])
})

test('the first failure aborts the other function, and is thrown after both have ended', async () => {
  let ended = false
  const both = sideBySide(
    undefined,
    async (signal) => {
      await once(signal, 'abort')
      ended = true
      throw new Error('cut off')
    },
    () => Promise.reject(new Error('no route')),
  )
  await assert.rejects(both, /no route/)
  assert.ok(ended)
})

test('an abort from outside reaches both', async () => {
  const stop = new AbortController()
  const until = async (signal: AbortSignal): Promise<void> => {
    await once(signal, 'abort')
    signal.throwIfAborted()
  }
  const both = sideBySide(stop.signal, until, until)
  stop.abort(new Error('enough'))
  await assert.rejects(both, /enough/)
})
