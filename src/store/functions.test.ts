import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFunctions } from './functions.ts'

test('each file makes the one function of its name, says what it locks, and keeps the function short', async () => {
  const files = await readFunctions()
  assert.ok(files.length > 70)
  for (const { name, sql } of files) {
    const [before = '', ...made] = sql.split(/^create or replace function /m)
    assert.equal(made.length, 1, name)
    assert.ok(made[0]?.startsWith(`${name}(`), name)
    assert.match(before, /^-- \S/, `${name} has no comment`)
    assert.match(before, /^-- Locks: /m, `${name} does not say what it locks`)
    const [body = ''] = made[0]?.split('$$;') ?? []
    assert.ok(body.split('\n').length <= 60, `${name} has more than 60 lines`)
    for (const line of sql.split('\n')) assert.ok(line.length <= 140, `${name}: ${line}`)
  }
})
