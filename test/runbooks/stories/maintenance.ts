import { strict as assert } from 'node:assert'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function maintenance({ world }: Stage, next: Next): Promise<void> {
  await next('maintenance on')
  assert.match(await next('status'), /new switches/)
  for (const n of world.nodes) assert.equal((await world.ready(n)).http, 200)
  assert.match(await next('off'), /dev-1 .*live[^]*epoch/)
  assert.equal((await world.admin<{ on: boolean }>('maintenance', 'status')).on, false)
}
