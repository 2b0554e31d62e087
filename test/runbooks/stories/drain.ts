import { strict as assert } from 'node:assert'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function drain(at: Stage, next: Next): Promise<void> {
  const { world } = at
  assert.match(await next('admin nodes'), /dev-2 .*\n.*dev-3/)
  assert.ok((await at.onNode(2)).length > 0)
  assert.match(await next('admin drain anchor-2'), /drained/)
  assert.equal((await world.ready(2)).http, 503)
  assert.deepEqual(await at.onNode(2), [])
  assert.match(await next('admin audit'), /drain/)
  await next('admin uncordon anchor-2')
  await world.well()
  assert.deepEqual(await at.onNode(2), [], 'something was moved back')
  await at.allStands()
}
