// A world of its own: all content is on the first node when two empty ones join.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { freshBlocks } from '../../testing/content.ts'
import type { AdminPlan, PlanMove } from '../../src/http/admin/schema.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements, rowsOf } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

const content = 300

suite('rebalance', () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    const blocks = await freshBlocks(content, 8 * 1024)
    await outside.rpc.put(blocks)
    // All content is on the first node; then two empty ones join.
    world = await World.start({ nodes: 1, env: { ANCHORAGE_REBALANCE_MOVES_IN_FLIGHT: '16' } })
    const api = await world.api()
    await eachInFlight(blocks, 16, ({ cid }) => ledger.post(api, { cid, origins: [outside.address] }))
    await checkInvariants(world, ledger)
    await world.stop()
    await world.startAgain({ nodes: 3 })
    await world.well()
    await until('every node has reported its size', async () => {
      const { results } = await world.admin<{ results: { capacityBytes: number | null }[] }>('nodes')
      return results.every(({ capacityBytes }) => capacityBytes !== null)
    })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  const where = async () =>
    new Map((await placements(world)).map(({ cid, n, leaving }) => [cid, leaving ? 0 : n]))

  test('a dry run lists the moves with bytes and reasons, and moves nothing; applying it makes exactly those moves', async () => {
    const before_ = await where()
    const { plan, moves } = await world.admin<{ plan: AdminPlan; moves: PlanMove[] }>(
      'rebalance',
      '--dry-run',
    )
    assert.equal(moves.length, plan.moves)
    assert.equal(
      moves.reduce((sum, { bytes }) => sum + bytes, 0),
      plan.bytes,
    )
    for (const { bytes, reason } of moves) assert.ok(bytes > 0 && reason.length > 0)
    // Two thirds of the content must move, and hardly more.
    const least = (content * 2) / 3
    assert.ok(moves.length >= least * 0.9 && moves.length <= least * 1.1, `${moves.length} moves`)
    assert.deepEqual(await where(), before_, 'a dry run moved something')

    const numbers = new Map<string, number>()
    for (const n of world.nodes) numbers.set(await world.value(`NODE_ID_${n}`), n)
    const wanted = new Map(before_)
    for (const { cid, from, to } of moves) {
      assert.equal(numbers.get(from), before_.get(cid))
      wanted.set(cid, numbers.get(to) ?? 0)
    }
    let least_ = Infinity
    const watching = watchPinned((pinned) => (least_ = Math.min(least_, pinned)))
    const applied = await world.admin<AdminPlan>('rebalance', '--plan', plan.id)
    await watching.stop()
    assert.equal(applied.state, 'applied')
    assert.equal(applied.done, plan.moves)
    assert.equal(applied.skipped, 0)
    await checkInvariants(world, ledger)
    assert.deepEqual(await where(), wanted)
    assert.equal(least_, content, 'a pin was not pinned for a while')
  })

  test('a second plan finds nothing to move', async () => {
    assert.equal((await world.admin<AdminPlan>('rebalance')).moves, 0)
  })

  test('each move is in the audit, once', async () => {
    const rows = await rowsOf<{ action: string; n: number }>(
      world,
      `select action, count(distinct target)::int as n from audit_log
       where details ->> 'reason' = 'rebalance' and action like 'placement.%' group by action order by action`,
    )
    assert.deepEqual(
      rows.map(({ action }) => action),
      ['placement.add', 'placement.drop'],
    )
    assert.equal(rows[0]?.n, rows[1]?.n)
  })

  test('a paused plan begins no more moves, and continues when it is resumed', async () => {
    // A drain empties node 3, and uncordon brings it back, so that a plan has moves again.
    await world.admin('drain', 'dev-3')
    await world.admin('uncordon', 'dev-3')
    await checkInvariants(world, ledger)
    const { plan } = await world.admin<{ plan: AdminPlan }>('rebalance', '--dry-run')
    assert.ok(plan.moves > 32)
    await world.admin('rebalance', '--plan', plan.id, '--no-wait')
    await world.admin('rebalance', '--pause', plan.id)
    await until('nothing is under way', async () =>
      (await placements(world)).every(({ state, leaving }) => state === 'pinned' && !leaving),
    )
    const paused = await where()
    assert.equal((await world.admin<{ plan: AdminPlan }>('plans', plan.id)).plan.state, 'paused')
    await world.admin('rebalance', '--resume', plan.id)
    await checkInvariants(world, ledger)
    assert.notDeepEqual(await where(), paused)
  })

  /** Reports the number of pins that the API lists as `pinned`, repeatedly. */
  function watchPinned(see: (pinned: number) => void): { stop: () => Promise<void> } {
    let stopped = false
    const run = async (): Promise<void> => {
      const api = await world.api(2)
      while (!stopped) see((await api.list({ status: 'pinned', limit: '1' })).count)
    }
    const running = run()
    return {
      async stop() {
        stopped = true
        await running
      },
    }
  }
})
