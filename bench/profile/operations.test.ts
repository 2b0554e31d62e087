import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { isAsked, operationNames } from './operations.ts'

test('the beginning of a name means all operations that begin so, and not those of a longer word', () => {
  const asked = (what: string): string[] => operationNames.filter((name) => isAsked(name, what))
  assert.deepEqual(asked('list-10'), ['list-10-1', 'list-10-16'])
  assert.deepEqual(asked('get-1'), ['get-1'])
  assert.deepEqual(asked('pin'), ['pin'])
  assert.deepEqual(asked('lis'), [])
})
