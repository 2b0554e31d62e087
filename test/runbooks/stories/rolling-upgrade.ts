import { strict as assert } from 'node:assert'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function rollingUpgrade(at: Stage, next: Next): Promise<void> {
  const { world } = at
  const olds = await Promise.all(world.nodes.map((n) => world.pid('node', n)))
  assert.match(await next('maintenance on'), /upgrade/)
  assert.match(await next('migrate up'), /applied/)
  const answers = (await next('systemctl restart anchorage')).match(/"status":"(ok|degraded)"/g)
  assert.equal(answers?.length, 3)
  for (const [index, old] of olds.entries()) await world.restarted('node', old, index + 1)
  assert.match(await next('maintenance off'), /dev-3/)
  await world.well()
  await at.pinSome(10)
}
