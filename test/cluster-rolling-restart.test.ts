import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { freshBlocks, type Block } from './content.ts'
import { checkInvariants, Ledger } from './ledger.ts'
import { Load } from './load.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { World } from './world.ts'

suite('rolling restart', { timeout: 300_000 }, () => {
  let world: World
  let outside: OutsideKubo
  let todo: Block[]
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    todo = await freshBlocks(6_000)
    await outside.rpc.put(todo)
    world = await World.start({ nodes: 3, restartAfter: 1, env: { ANCHORAGE_PIN_BACKOFF_MIN: '500ms' } })
    await world.well()
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  test('of three nodes under POST load: a client that goes on to another node on 503 sees no failure', async () => {
    const apis = await Promise.all(world.nodes.map((n) => world.api(n)))
    const next = () => ({
      cid: todo.pop()?.cid ?? assert.fail('no content left'),
      origins: [outside.address],
    })
    const load = new Load({ perSecond: 40, through: () => apis, next, ledger, detours: true })
    try {
      for (const n of world.nodes) {
        await delay(2_000)
        await world.restarted('node', await world.signal('node', 'SIGTERM', n), n)
        await world.well()
      }
    } finally {
      await load.stop()
    }
    const { accepted, failures } = load.report
    assert.deepEqual(failures, [])
    assert.ok(accepted > 200)
    await checkInvariants(world, ledger, { withinMs: 90_000 })
  })
})
