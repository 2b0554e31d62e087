// A world of its own: a node is given up after a few seconds of silence.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements } from '../../testing/world/ledger.ts'
import { Load } from '../../testing/world/load.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

suite('loss of a node with all its servers', () => {
  let world: World
  let outside: OutsideKubo
  let todo: Block[]
  const ledger = new Ledger()
  const meta = { 'anchorage.replicas': '2' }

  before(async () => {
    outside = await startOutsideKubo()
    todo = await freshBlocks(3_000)
    await outside.rpc.put(todo)
    const env = { ANCHORAGE_CLUSTER_DOWN_GRACE: '5s', ANCHORAGE_PIN_BACKOFF_MIN: '500ms' }
    world = await World.start({ nodes: 3, restartAfter: 0, env })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  function next(): { cid: string; origins: string[]; meta: Record<string, string> } {
    const block = todo.pop() ?? assert.fail('the content ran out')
    return { cid: block.cid, origins: [outside.address], meta }
  }

  const onNode = async (n: number) => (await placements(world)).filter((placement) => placement.n === n)

  test('under load: the API of the other nodes never fails, and all content gets its number of replicas again', async () => {
    const apis = await Promise.all([1, 2].map((n) => world.api(n)))
    const [first] = apis
    assert.ok(first)
    await eachInFlight(Array.from({ length: 200 }), 8, () => ledger.post(first, next()))
    await checkInvariants(world, ledger)
    const held = (await onNode(3)).length
    assert.ok(held > 50, `node 3 holds ${held}`)

    const load = new Load({ perSecond: 20, through: () => apis, next, ledger })
    try {
      await world.pullPlug(3)
      const lostAtMs = performance.now()
      await until(
        'the loss is noticed',
        async () => {
          const left = (await onNode(3)).filter(({ lost }) => !lost)
          assert.deepEqual(left.slice(0, 3), [], `${left.length} copies still count`)
          return true
        },
        { withinMs: patience.longMs, everyMs: 500 },
      )
      process.stderr.write(
        `the loss was noticed after ${((performance.now() - lostAtMs) / 1000).toFixed(1)} s\n`,
      )
      for (const n of [1, 2]) {
        const { http, reasons } = await world.ready(n)
        assert.equal(http, 200)
        const [peer = assert.fail(`node ${n} misses no other`)] = reasons.filter(
          ({ what }) => what === 'peer',
        )
        assert.match(peer.reason, /^the node dev-3 has been silent for \d+ s$/)
      }
    } finally {
      const { accepted, failures } = await load.stop()
      assert.deepEqual(failures, [])
      assert.ok(accepted > 50)
    }
    await checkInvariants(world, ledger, { without: [3] })
  })

  test('when it returns, surplus copies are removed, and all content has two copies', async () => {
    await world.revive(3)
    await world.well()
    await checkInvariants(world, ledger)
    for (const { n, wanted } of await placements(world)) assert.ok(world.nodes.includes(n) && wanted === 2)
  })
})
