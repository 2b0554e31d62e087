import { strict as assert } from 'node:assert'
import { TestBrowser } from '../../../testing/clients/browser.ts'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function operate({ world }: Stage, next: Next): Promise<void> {
  assert.match(await next('create-org acme'), /acme[^]*of 500 GiB/)
  const browser = new TestBrowser()
  const node = await world.value('NODE_URL_1')
  const login = await browser.logIn(node, 'bob', await world.value('LOGIN_PASSWORD'))
  assert.equal(login.response?.status, 200)
  const { results } = await world.admin<{ results: { id: string }[] }>('users')
  const user = results[0]?.id ?? assert.fail('no one has logged in')
  assert.match(await next('set-member', ['usr_…', user]), /bob[^]*owner/i)
  await next('suspend-org')
  await assert.rejects(world.anchorage('admin', 'orgs', 'acme'))
  assert.match(await next('admin recount'), /all stored counts of [^]* are right/)
}
