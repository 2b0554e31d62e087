// A world of its own: it starts with one node that has 2,000 placements.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { freshBlocks, type Block } from '../../testing/content.ts'
import type { Drain } from '../../src/http/admin/schema.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements, rowsOf } from '../../testing/world/ledger.ts'
import { Load } from '../../testing/world/load.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

const content = 2_000

suite('drain', () => {
  let world: World
  let outside: OutsideKubo
  let todo: Block[]
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    todo = await freshBlocks(content + 10_000)
    await outside.rpc.put(todo)
    // The first node gets all the content; then the others join.
    world = await World.start({ nodes: 1, env: { ANCHORAGE_CLUSTER_DRAIN_GRACE_PERIOD: '5s' } })
    const api = await world.api()
    await eachInFlight(Array.from({ length: content }), 32, () => ledger.post(api, next()))
    await checkInvariants(world, ledger)
    await world.stop()
    await world.startAgain({ nodes: 3 })
    await world.well()
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  function next(): { cid: string; origins: string[] } {
    const block = todo.pop() ?? assert.fail('the content ran out')
    return { cid: block.cid, origins: [outside.address] }
  }

  /** Sends 50 POSTs a second through nodes 2 and 3 while `work` runs. */
  async function underLoad(work: () => Promise<unknown>): Promise<void> {
    const apis = await Promise.all([2, 3].map((n) => world.api(n)))
    const load = new Load({ perSecond: 50, through: () => apis, next, ledger })
    try {
      await work()
    } finally {
      await load.stop()
    }
    assert.deepEqual(load.report.failures, [])
  }

  const onNode = async (n: number) => (await placements(world)).filter((placement) => placement.n === n)

  test('a node with 2,000 placements ends with none, and meanwhile no POST fails', async () => {
    const before_ = (await onNode(1)).length
    assert.ok(before_ >= content)
    await underLoad(async () => {
      const draining = world.admin<Drain>('drain', 'dev-1')
      await until('it is out of service', async () => {
        const { http, ...said } = await world.ready(1)
        return http === 503 && /draining|drained/.test(JSON.stringify(said))
      })
      const { state, left } = await draining
      assert.deepEqual({ state, left }, { state: 'drained', left: 0 })
    })
    await checkInvariants(world, ledger)
    assert.equal((await onNode(1)).length, 0)
    assert.equal(
      [...(await (await world.kubo(1)).pins()).values()].filter(Boolean).length,
      0,
      'the drained Kubo still pins',
    )
  })

  test('each move is in the audit once, with its reason', async () => {
    const rows = await rowsOf<{ action: string; n: number; contents: number }>(
      world,
      `select action, count(*)::int as n, count(distinct target)::int as contents from audit_log
       where action in ('placement.add', 'placement.drop') and details ->> 'reason' = 'drain' group by action`,
    )
    for (const action of ['placement.add', 'placement.drop']) {
      const found = rows.find((row) => row.action === action)
      assert.ok(found && found.n >= content, `${action}: ${JSON.stringify(rows)}`)
      assert.equal(found.contents, found.n, `${action} twice for one content`)
    }
  })

  test('a drain without enough other nodes waits, says so, and keeps its content', async () => {
    // The content is on nodes 2 and 3, the only ones available while node 1 is drained.
    const api = await world.api(2)
    const pin = { ...next(), meta: { 'anchorage.replicas': '2' } }
    const requestid = await ledger.post(api, pin)
    await until('it has two copies', async () => (await api.get(requestid)).status === 'pinned')
    try {
      const why = await until(
        'it says why it waits',
        async () => (await world.admin<Drain>('drain', 'dev-2', '--no-wait')).waits,
        { withinMs: patience.longMs, everyMs: 1_000 },
      )
      assert.match(why, /node/)
      assert.equal((await api.get(requestid)).status, 'pinned')
      const copies = (await placements(world)).filter(({ cid }) => cid === pin.cid)
      assert.deepEqual(
        copies.map(({ n }) => n).toSorted((a, b) => a - b),
        [2, 3],
      )
    } finally {
      await world.admin('uncordon', 'dev-2')
    }
    await checkInvariants(world, ledger)
  })

  test('after uncordon, moved content stays where it is, and the node gets new pins', async () => {
    const moved = (await placements(world)).map(({ cid, n }) => `${cid} ${n}`)
    await world.admin('uncordon', 'dev-1')
    await until('it is in service', async () => (await world.ready(1)).http === 200)
    const api = await world.api(1)
    await eachInFlight(Array.from({ length: 60 }), 8, () => ledger.post(api, next()))
    await checkInvariants(world, ledger)
    const now = new Set((await placements(world)).map(({ cid, n }) => `${cid} ${n}`))
    for (const placement of moved) assert.ok(now.has(placement), `moved back: ${placement}`)
    assert.ok((await onNode(1)).length > 0, 'node 1 got none of 60 new pins')
  })
})
