import { strict as assert } from 'node:assert'
import type { StandIn } from '../shell.ts'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

/** The output of `rebalance --json` and `plans PLAN --json`. */
interface Said {
  plan: { id: string; state: string }
}

export async function rebalance(at: Stage, next: Next): Promise<void> {
  const { world } = at
  const emptied = async (): Promise<void> => {
    await world.anchorage('admin', 'drain', 'dev-2')
    await world.anchorage('admin', 'uncordon', 'dev-2')
  }
  await emptied()
  const [, id = ''] = /\b(pln_\w+)/.exec(await next('--dry-run')) ?? []
  const plan: StandIn = ['pln_…', id]
  const state = async (): Promise<string> => (await world.admin<Said>('plans', id)).plan.state
  assert.deepEqual(await at.onNode(2), [], 'a dry run moved something')
  // A plan this small would be done before it can be paused.
  await world.admin('maintenance', 'on', '--reason', 'so that the plan can be paused')
  await next('--plan pln_… --no-wait', plan)
  assert.equal(await state(), 'applying')
  await next('--pause', plan)
  assert.equal(await state(), 'paused')
  await world.admin('maintenance', 'off')
  await next('--resume', plan)
  assert.equal(await state(), 'applied')
  assert.match(await next('admin plans', plan), new RegExp(id))
  assert.ok((await at.onNode(2)).length > 0, 'nothing was moved')
  await emptied()
  const { plan: unwanted } = await world.admin<Said>('rebalance', '--dry-run')
  assert.match(await next('--cancel', ['pln_…', unwanted.id]), /cancelled/)
  await at.allStands()
}
