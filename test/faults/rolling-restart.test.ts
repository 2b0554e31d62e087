// A world of its own: every node restarts under load.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { shuffled } from './chance.ts'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { Load } from '../../testing/world/load.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { World } from '../../testing/world/world.ts'

suite('rolling restart', () => {
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

  test('three nodes restart under POST load: a client that retries on another node after a 503 sees no failure', async () => {
    const apis = await Promise.all(world.nodes.map((n) => world.api(n)))
    const next = () => ({
      cid: todo.pop()?.cid ?? assert.fail('no content left'),
      origins: [outside.address],
    })
    const load = new Load({ perSecond: 40, through: () => apis, next, ledger, detours: true })
    try {
      for (const n of shuffled(world.nodes)) {
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
    await checkInvariants(world, ledger)
  })
})
