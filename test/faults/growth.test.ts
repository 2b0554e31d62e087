// A world of its own: it grows to three nodes and shrinks to one again.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { shuffled } from './chance.ts'
import { freshBlocks } from '../../testing/content.ts'
import { leadership } from '../../testing/world/leader.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

suite('growth from one node to three', () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    world = await World.start({ nodes: 1, env: { ANCHORAGE_PIN_BACKOFF_MIN: '500ms' } })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  async function post(count: number, through: readonly number[]): Promise<void> {
    const blocks = await freshBlocks(count)
    await outside.rpc.put(blocks)
    const apis = await Promise.all(through.map((n) => world.api(n)))
    await eachInFlight(blocks, 8, async ({ cid }, n) => {
      const api = apis[n % apis.length] ?? assert.fail()
      await ledger.post(api, { cid, origins: [outside.address] })
    })
  }

  test('no pin is lost, whether it was pinned or waited, and the streams are created again automatically', async () => {
    await post(200, [1])
    // The world stops with pins still waiting.
    await world.stop()
    await world.startAgain({ nodes: 3 })
    await world.well()
    await checkInvariants(world, ledger)
    assert.deepEqual(new Set((await placements(world)).map(({ n }) => n)), new Set([1]), 'growing moved pins')
  })

  test('all three take pins, and new content is spread over them', async () => {
    await post(150, world.nodes)
    await checkInvariants(world, ledger)
    const fresh = Map.groupBy(await placements(world), ({ n }) => n)
    for (const n of [2, 3]) assert.ok((fresh.get(n)?.length ?? 0) >= 25, `node ${n} got too little`)
  })

  test('the cluster then survives the loss of any one nats-server: a node leads, and hints are accepted', async () => {
    for (const n of shuffled(world.nodes)) {
      await world.well()
      const pid = await world.kill('nats', n)
      const [other = 1] = world.nodes.filter((each) => each !== n)
      await post(20, [other])
      await world.restarted('nats', pid, n)
    }
    await world.well()
    assert.ok((await leadership(world)).epoch > 0)
    await checkInvariants(world, ledger)
  })

  test('going back to one node is refused with what to do, while the others hold content', async () => {
    await world.stop()
    await assert.rejects(
      world.startAgain({ nodes: 1 }),
      /dev-2 and dev-3 would be left out[^]*--nodes 3[^]*admin drain/,
    )
    // The number of nodes is the old one, without an option for it.
    await world.startAgain({ nodes: 3 })
    await checkInvariants(world, ledger)
  })
  test('once they are drained it runs without them, with everything that was pinned', async () => {
    for (const name of ['dev-2', 'dev-3']) await world.admin('drain', name)
    await world.stop()
    await world.startAgain({ nodes: 1 })
    await post(20, [1])
    for (const name of ['dev-2', 'dev-3']) {
      // It is refused while they count as alive.
      const forget = () => world.admin('forget', name, '--yes').then(() => true)
      await until(`${name} is forgotten`, forget, { withinMs: patience.longMs, everyMs: 2_000 })
    }
    await world.well()
    await checkInvariants(world, ledger)
  })
})
