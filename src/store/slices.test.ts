import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapInSlices } from './slices.ts'

test('items are mapped in order, and other work runs between the slices', async () => {
  let turns = 0
  const other = setInterval(() => turns++, 0)
  const busy = (n: number) => {
    for (const until = performance.now() + 3; performance.now() < until;);
    return [n, turns] as const
  }
  const mapped = await mapInSlices([1, 2, 3, 4, 5, 6, 7, 8], busy)
  clearInterval(other)
  assert.deepEqual(
    mapped.map(([n]) => n),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
  assert.ok(new Set(mapped.map(([, at]) => at)).size > 1)
  assert.deepEqual(await mapInSlices([], busy), [])
})
