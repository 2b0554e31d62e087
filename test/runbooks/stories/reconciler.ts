import { strict as assert } from 'node:assert'
import { freshBlocks } from '../../../testing/content.ts'
import { patience } from '../../../testing/patience.ts'
import { eachInFlight, until } from '../../../testing/settle.ts'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

/** The output of `admin reconcile --json`. */
interface Reconcilers {
  results: { name: string; blocked: number | null }[]
}

export async function reconciler({ world, machines }: Stage, next: Next): Promise<void> {
  const kubo = await world.kubo(2)
  const ours = [...(await kubo.pins()).values()].find((name) => name !== '') ?? assert.fail('no pin of ours')
  const unwanted = await freshBlocks(120)
  await kubo.put(unwanted)
  await eachInFlight(unwanted, 8, ({ cid }) =>
    kubo.call('pin/add', [
      ['arg', cid],
      ['name', ours],
    ]),
  )
  // A reconciler runs seconds after its start, and then every ten minutes.
  await machines.run(2, 'systemctl restart anchorage')
  const waiting = { withinMs: patience.longMs, everyMs: 500 }
  const stopped = async (): Promise<boolean> => {
    const { results } = await world.admin<Reconcilers>('reconcile')
    return results.some(({ name, blocked }) => name === 'dev-2' && (blocked ?? 0) > 0)
  }
  await until('the reconciler has looked', stopped, waiting)
  assert.match(await next('admin reconcile'), /dev-2 .*120 removals/)
  assert.match(await next('admin orgs'), /\bdev\b[^]*database\.url/)
  assert.match(await next('--confirm --yes'), /dev-2 continues/)
  const removed = async (): Promise<boolean> => {
    const left = await kubo.pins()
    return unwanted.every(({ cid }) => !left.has(cid))
  }
  await until('the unwanted pins are removed', removed, waiting)
  await world.well()
}
