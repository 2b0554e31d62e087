import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { divided, grown } from './usage.ts'

test('what grew is divided by the operations, in objects within objects too', () => {
  const before = { wal: 100, node: { reads: 7, writes: 0 } }
  const after = { wal: 300, node: { reads: 27, writes: 5 } }
  assert.deepEqual(divided(grown(before, after), 10), { wal: 20, node: { reads: 2, writes: 0.5 } })
})
