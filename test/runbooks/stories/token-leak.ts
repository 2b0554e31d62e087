import { strict as assert } from 'node:assert'
import { until } from '../../../testing/settle.ts'
import type { StandIn } from '../shell.ts'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function tokenLeak(at: Stage, next: Next): Promise<void> {
  const { world } = at
  const acme = await world.newOrg('leaky')
  const { results } = await world.admin<{ results: { id: string }[] }>('tokens', 'leaky')
  const id = results[0]?.id ?? assert.fail('no token')
  const leaked: StandIn[] = [
    ['tok_…', id],
    ['$LEAKED', acme.token],
    ['acme', 'leaky'],
  ]
  assert.equal(await at.answerTo(acme.token), 200)
  assert.equal(await next('revoke-token -', ...leaked), `${id} is revoked\n`)
  await until('the token is refused', async () => (await at.answerTo(acme.token)) === 401)
  assert.match(await next('admin tokens', ...leaked), new RegExp(`${id}.*revoked`))
  assert.equal(await next('curl', ...leaked), '401\n')
  assert.match(await next('admin audit', ...leaked), /token\.revoke/)
  assert.equal(await at.answerTo((await next('mint-token', ...leaked)).trim()), 200)
}
