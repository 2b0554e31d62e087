import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isCode } from './errors.ts'
import { replicasOf } from './replicas.ts'

test('the replicas are the number under the key in meta, and null without the key', () => {
  for (const meta of [undefined, {}, { replicas: '3' }]) assert.equal(replicasOf(meta), null)
  for (const [text, replicas] of [
    ['1', 1],
    ['20', 20],
    ['100', 100],
  ] as const)
    assert.equal(replicasOf({ 'anchorage.replicas': text }), replicas)
})

test('anything but a whole number from 1 to 100 is refused, and the error names the field', () => {
  for (const text of ['', '0', '-1', '101', '1e2', '2.0', ' 2', '02', '0x2', 'two', '٣', '1000'])
    assert.throws(
      () => replicasOf({ 'anchorage.replicas': text }),
      (error) => isCode(error, 'invalid') && error.message.startsWith('meta.anchorage.replicas: '),
      text,
    )
})

test('a key that an object inherits does not count as meta', () => {
  assert.equal(replicasOf(JSON.parse('{"__proto__": {"anchorage.replicas": "7"}}')), null)
})
