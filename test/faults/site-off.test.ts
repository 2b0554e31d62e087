// A world of its own: all its nodes were off, and start one after the other.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshBlocks } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { leadership } from '../../testing/world/leader.ts'
import { Ledger, rowsOf } from '../../testing/world/ledger.ts'
import { eachInFlight } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'

/** A leader believes in silence after 15 s. The last node comes after that, and long before the grace is over. */
const lateMs = 25_000
const graceMs = 120_000

suite('a site that was off for longer than the grace', () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    const env = { ANCHORAGE_CLUSTER_DOWN_GRACE: `${graceMs}ms` }
    world = await World.start({ nodes: 3, restartAfter: 0, env })
    const blocks = await freshBlocks(60)
    await outside.rpc.put(blocks)
    const api = await world.api(1)
    const meta = { 'anchorage.replicas': '2' }
    await eachInFlight(blocks, 8, ({ cid }) => ledger.post(api, { cid, origins: [outside.address], meta }))
    await checkInvariants(world, ledger)
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  test('no copy is made because one of its nodes starts later than the others', async () => {
    await world.stop()
    await world.startAgain({ nodes: 3, restartAfter: 0 })
    await world.pullPlug(3)
    await rowsOf(world, `update nodes set last_seen = now() - interval '1 hour' where name = 'dev-3'`)
    const leader = await leadership(world)
    assert.notEqual(leader.n, 3)
    await sleep(lateMs)
    await world.revive(3)
    await world.well()
    await checkInvariants(world, ledger)
    const moved = await rowsOf(
      world,
      `select action from audit_log where action in ('node.down', 'placement.add', 'placement.drop') and at > now() - interval '10 minutes'`,
    )
    assert.deepEqual(moved, [])
  })
})
