import { strict as assert } from 'node:assert'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { patience } from '../../../testing/patience.ts'
import { until } from '../../../testing/settle.ts'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function nodeLoss(at: Stage, next: Next): Promise<void> {
  const { world } = at
  await lose(at, 3)
  assert.match(await next('admin nodes'), /dev-3/)
  await at.allStands(3)
  assert.match(await next('admin audit'), /repair[^]*node_down/)
  assert.match(await next('systemctl start'), /"status"/)
  await world.well()
  await at.allStands()

  await lose(at, 3)
  await at.allStands(3)
  await at.sees('the node is silent', 3, ({ live }) => !live)
  await next('forget')
  // The new machine has no data of the old one.
  await world.stop()
  await rm(join(world.data, 'node-3'), { recursive: true })
  await world.startAgain({ nodes: 3 })
  await world.well()
  await at.pinSome(30)
  assert.ok((await at.onNode(3)).length > 0, 'the new node was given nothing')
}

/** Kills node `n` with all its servers, and waits until its copies no longer count. */
async function lose(at: Stage, n: number): Promise<void> {
  await at.world.pullPlug(n)
  const missed = async (): Promise<boolean> => (await at.onNode(n)).every(({ lost }) => lost)
  await until('the node is missed', missed, { withinMs: patience.longMs, everyMs: 500 })
}
