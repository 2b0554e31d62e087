import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { endsByException } from './ends-by-exception.ts'

test('an exception in a reader destroys the stream with that exception', async () => {
  const stream = new PassThrough()
  endsByException(stream)
  const read: string[] = []
  stream.on('data', (chunk: Buffer) => {
    if (chunk.length > 3) throw new RangeError('too long for a string')
    read.push(chunk.toString())
  })
  stream.write('one')
  const ended = once(stream, 'error')
  stream.write('three')
  const [error] = await ended
  assert.equal(error.message, 'too long for a string')
  assert.deepEqual(read, ['one'])
  assert.ok(stream.destroyed)
})
