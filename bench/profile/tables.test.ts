import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { short } from './tables.ts'

test('a statement is shown in one line, without its comments', () => {
  assert.equal(short('select a, -- the first\n  b\nfrom t'), 'select a, b from t')
  assert.equal(short('select something long', 10), 'select so…')
})
