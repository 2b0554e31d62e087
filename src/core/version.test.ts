import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAtLeast } from './version.ts'

test('versions compare by number, and a pre-release is less than its release', () => {
  const pairs: [string, string, boolean][] = [
    ['2.11.0', '2.11.0', true],
    ['2.9.25', '2.11.0', false],
    ['2.15.2', '2.11.0', true],
    ['3.0.0', '2.11.0', true],
    ['0.42.0-rc1', '0.42.0', false],
    ['0.43.0-rc1', '0.42.0', true],
    ['0.42', '0.42.0', true],
  ]
  for (const [version, wanted, serves] of pairs)
    assert.equal(isAtLeast(version, wanted), serves, `${version} >= ${wanted}`)
})
