import { strict as assert } from 'node:assert'
import { apiOf } from '../../../testing/clients/api.ts'
import { patience } from '../../../testing/patience.ts'
import { until } from '../../../testing/settle.ts'
import type { StandIn } from '../shell.ts'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function keyRotation(at: Stage, next: Next): Promise<void> {
  const { world } = at
  const acme: StandIn = ['--org acme', '--org dev']
  const old = await world.mintToken('dev')
  await next('rotate-key')
  assert.equal(await at.answerTo(old), 200)
  const second = lastLine(await next('rotate-key --end-tokens --yes', acme))
  await until('the old token is over', async () => (await at.answerTo(old)) === 401, {
    withinMs: patience.longMs,
    everyMs: 500,
  })
  assert.equal(await at.answerTo(second), 200)
  await next('openssl rand')
  await next('scp')
  await next('rotate-key --end-tokens --yes')
  assert.equal((await next('systemctl restart')).match(/"status"/g)?.length, 3)
  assert.equal(await at.answerTo(second), 401)
  const token = lastLine(await next('mint-token', acme))
  assert.equal(await at.answerTo(token), 200)
  const pins = await apiOf((await world.api()).url, token).all()
  for (const id of at.ledger.promised.keys())
    assert.equal(pins.find(({ requestid }) => requestid === id)?.status, 'pinned')
}

function lastLine(said: string): string {
  return said.trim().split('\n').at(-1) ?? ''
}
