// A world of its own: the Kubo of one node dies and stays dead, while its node process lives.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

const graceMs = 40_000
/** The longest that a pin may wait because one of three Kubos is dead. */
const longestMs = 10_000

suite('one Kubo of three is dead, and its node lives', () => {
  let world: World
  let outside: OutsideKubo
  let todo: Block[]
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    todo = await freshBlocks(400)
    await outside.rpc.put(todo)
    const env = { ANCHORAGE_CLUSTER_DOWN_GRACE: `${graceMs}ms`, ANCHORAGE_PIN_BACKOFF_MIN: '500ms' }
    world = await World.start({ nodes: 3, restartAfter: 0, env })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  function next(replicas: number) {
    const block = todo.pop() ?? assert.fail('the content ran out')
    return { cid: block.cid, origins: [outside.address], meta: { 'anchorage.replicas': String(replicas) } }
  }

  const onNode3 = async () => (await placements(world)).filter(({ n }) => n === 3)

  /** Accepts `count` pins of one copy through the nodes in turn, and resolves with the time that the slowest took until it was pinned. */
  async function slowest(count: number): Promise<number> {
    const apis = await Promise.all(world.nodes.map((n) => world.api(n)))
    const times = new Map<string, number>()
    await eachInFlight(Array.from({ length: count }), 8, async (_, index) => {
      const api = apis[index % apis.length] ?? assert.fail()
      const id = await ledger.post(api, next(1))
      times.set(id, performance.now())
    })
    let longest = 0
    const api = apis[0] ?? assert.fail()
    await until(
      `${count} pins are pinned`,
      async () => {
        for (const [id, sentAt] of times) {
          const { status } = await api.get(id)
          if (status !== 'pinned') continue
          longest = Math.max(longest, performance.now() - sentAt)
          times.delete(id)
        }
        return times.size === 0
      },
      { withinMs: patience.longMs, everyMs: 200 },
    )
    return longest
  }

  test('no pin waits longer than 10 s because of it, and later pins go elsewhere', async () => {
    const first = await world.api(1)
    await eachInFlight(Array.from({ length: 60 }), 8, () => ledger.post(first, next(2)))
    await eachInFlight(Array.from({ length: 60 }), 8, () => ledger.post(first, next(1)))
    await checkInvariants(world, ledger)
    await world.kill('kubo', 3)
    const tookMs = await slowest(100)
    process.stderr.write(`the slowest of 100 pins took ${(tookMs / 1000).toFixed(1)} s\n`)
    assert.ok(tookMs < longestMs, `${tookMs} ms`)
    const before = new Set((await onNode3()).map(({ cid }) => cid))
    await slowest(60)
    const later = (await onNode3()).filter(({ cid }) => !before.has(cid))
    assert.deepEqual(later, [], 'later pins go elsewhere')
    assert.deepEqual(
      (await onNode3()).filter(({ state }) => state === 'queued' || state === 'pinning'),
      [],
      'nothing waits there',
    )
  })

  test('operators and the owners of pins whose only copy is there see it', async () => {
    const nodes = await world.admin<{
      results: { name: string; live: boolean; unable: { what: string } | null }[]
    }>('nodes')
    const pins = await (await world.api(1)).all()
    const alone = pins.filter(({ info }) => info?.copies === 'dev-3 pinned')
    assert.ok(alone.length > 0)
    for (const { status, info } of alone) {
      assert.equal(status, 'pinned')
      assert.equal(info?.status_details, 'pinned on 1 node; this node cannot serve it at the moment')
    }
    assert.deepEqual(
      nodes.results.map(({ name, live, unable }) => [name, live, unable?.what ?? null]),
      [
        ['dev-1', true, null],
        ['dev-2', true, null],
        ['dev-3', true, 'kubo'],
      ],
    )
  })

  test('after the grace, content with two copies has two that work', async () => {
    const stillCount = async () =>
      (await onNode3()).filter(({ state, lost }) => state === 'pinned' && !lost).length
    await until('its copies are lost', async () => (await stillCount()) === 0, {
      withinMs: patience.longMs,
      everyMs: 500,
    })
    await until(
      'each content that wants two copies has two that work',
      async () => {
        const working = new Map<string, number>()
        for (const { cid, n, state, lost, wanted } of await placements(world))
          if (wanted === 2)
            working.set(cid, (working.get(cid) ?? 0) + Number(n !== 3 && state === 'pinned' && !lost))
        return working.size >= 60 && [...working.values()].every((count) => count === 2)
      },
      { withinMs: patience.longMs, everyMs: 500 },
    )
  })

  test('when its Kubo is back, its copies count again, and all is well', async () => {
    await world.revive(3)
    await world.well()
    await checkInvariants(world, ledger)
  })
})
