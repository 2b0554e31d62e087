import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { apiOf, refusalOf } from './api.ts'
import { until } from './settle.ts'
import { World } from './world.ts'

suite('a revoked token', { timeout: 300_000 }, () => {
  let world: World

  before(async () => {
    world = await World.start({ nodes: 3, restartAfter: 0 })
    await world.well()
  })

  after(() => world[Symbol.asyncDispose]())

  /** A token that every node has just let in, so that it is remembered everywhere. */
  async function known(): Promise<{ id: string; ask: (n: number) => Promise<number> }> {
    const slug = `org-${Date.now()}`
    await world.anchorage('admin', 'create-org', slug)
    const minted = await world.admin<{ token: string; id: string }>(
      'mint-token',
      '--org',
      slug,
      '--scopes',
      'pins:read',
      '--ttl',
      '1h',
    )
    const ask = async (n: number): Promise<number> => {
      const answer = await apiOf((await world.api(n)).url, minted.token).send('GET', '/pins')
      if (answer.status !== 200) assert.match(refusalOf(answer, 401).details, /revoked/)
      return answer.status
    }
    for (const n of world.nodes) assert.equal(await ask(n), 200)
    return { id: minted.id, ask }
  }

  test('is refused by every node within two seconds', async () => {
    const { id, ask } = await known()
    await world.anchorage('admin', 'revoke-token', id)
    for (const n of world.nodes)
      await until(`node ${n} refuses it`, async () => (await ask(n)) === 401, { withinMs: 2_000 })
  })

  test('is refused also by a node that cannot be told', async () => {
    const { id, ask } = await known()
    await world.kill('nats', 3)
    await world.anchorage('admin', 'revoke-token', id)
    for (const n of world.nodes)
      await until(`node ${n} refuses it`, async () => (await ask(n)) === 401, { withinMs: 2_500 })
  })
})
