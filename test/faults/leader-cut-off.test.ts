// A world of its own: its nodes reach Postgres through proxies.
import { strict as assert } from 'node:assert'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, beforeEach, suite, test } from 'node:test'
import { freshBlocks } from '../../testing/content.ts'
import { patience } from '../../testing/patience.ts'
import { tcpProxy, type TcpProxy } from '../../testing/servers/tcp-proxy.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { leadership, type Leadership } from '../../testing/world/leader.ts'
import { Ledger, placements, rowsOf } from '../../testing/world/ledger.ts'
import { World } from '../../testing/world/world.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'

suite('a leader that cannot do its work', () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()
  /** The way of each node to Postgres, by its number. */
  const ways = new Map<number, TcpProxy>()

  before(async () => {
    outside = await startOutsideKubo()
    world = await World.start({ nodes: 3, restartAfter: 0.5, env: { ANCHORAGE_PIN_UNPIN_GRACE: '1s' } })
    for (const n of world.nodes) await putProxyBefore(n)
    await accepted(30)
  })

  beforeEach(async () => {
    await world.well()
    await checkInvariants(world, ledger)
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
    for (const way of ways.values()) await way[Symbol.asyncDispose]()
  })

  /** Restarts node `n` with a proxy between it and Postgres. */
  async function putProxyBefore(n: number): Promise<void> {
    const { port } = new URL(await world.value('DATABASE_SYSTEM_URL'))
    const way = await tcpProxy(Number(port))
    ways.set(n, way)
    const file = await world.value(`NODE_CONFIG_${n}`)
    const config = await readFile(file, 'utf8')
    await writeFile(file, config.replaceAll(`:${port}/`, `:${way.port}/`))
    const pid = await world.signal('node', 'SIGTERM', n)
    await world.restarted('node', pid, n)
  }

  async function accepted(count: number, through = 1): Promise<void> {
    const blocks = await freshBlocks(count)
    await outside.rpc.put(blocks)
    const api = await world.api(through)
    await eachInFlight(blocks, 8, ({ cid }) => ledger.post(api, { cid, origins: [outside.address] }))
  }

  /** Deletes a pin through a node that is not `busy`, where its only copy is, and resolves once that copy is unpinned. */
  async function unpinnedWithout(busy: number): Promise<void> {
    const where = new Map((await placements(world)).map(({ cid, n }) => [cid, n]))
    const [id = '', cid = ''] =
      [...ledger.promised].find(([, held]) => where.has(held) && where.get(held) !== busy) ?? []
    assert.ok(cid, 'every copy is on the leader')
    const [other = 1] = world.nodes.filter((n) => n !== busy)
    await (await world.api(other)).remove(id)
    ledger.forget(id)
    const isGone = async () => (await placements(world)).every((row) => row.cid !== cid)
    await until(`${cid} is unpinned`, isGone, { withinMs: patience.longMs })
  }

  function print(what: string, ms: number): void {
    process.stderr.write(`${what}: ${(ms / 1000).toFixed(1)} s\n`)
  }

  for (const how of ['silent', 'refused'] as const)
    test(`when the way of the leader alone to Postgres is ${how}, another node leads and does the work`, async () => {
      const old = await leadership(world)
      const way = ways.get(old.n) ?? assert.fail()
      const cutAtMs = Date.now()
      way.cut(how)
      try {
        const unpinned = unpinnedWithout(old.n).then(() => Date.now())
        const next = await leadership(world, old)
        assert.notEqual(next.n, old.n)
        print(`${how}: another node led`, next.atMs - cutAtMs)
        print(`${how}: a pin that was deleted meanwhile was unpinned`, (await unpinned) - cutAtMs)
      } finally {
        way.heal()
      }
      await world.well()
      await accepted(5)
      await checkInvariants(world, ledger)
    })

  test('a node that does not lead and alone does not reach Postgres gets no pins, and those that wait on it go to others', async () => {
    const { n: leader } = await leadership(world)
    const cut = world.nodes.find((n) => n !== leader) ?? assert.fail()
    const way = ways.get(cut) ?? assert.fail()
    const through = world.nodes.find((n) => n !== leader && n !== cut) ?? assert.fail()
    way.cut('silent')
    try {
      const cutAtMs = Date.now()
      await accepted(60, through)
      const isPinned = async () =>
        (await (await world.api(through)).all()).every(({ status }) => status === 'pinned')
      await until('all pins are pinned', isPinned, { withinMs: patience.longMs, everyMs: 500 })
      print('a node cut off: 60 pins that were sent at once were pinned', Date.now() - cutAtMs)
      const before = new Set((await placements(world)).map(({ cid }) => cid))
      await accepted(30, through)
      const later = (await placements(world)).filter(({ cid }) => !before.has(cid))
      assert.deepEqual(
        later.filter(({ n }) => n === cut),
        [],
      )
      await until('the later pins are pinned', isPinned, { withinMs: patience.longMs, everyMs: 500 })
    } finally {
      way.heal()
    }
    await world.well()
    await checkInvariants(world, ledger)
  })

  test('when the epoch is raised by hand, a node leads again and does the work, without a restart', async () => {
    const old = await leadership(world)
    await rowsOf(world, 'update cluster set epoch = epoch + 1')
    const raisedAtMs = Date.now()
    const unpinned = unpinnedWithout(0).then(() => Date.now())
    const next: Leadership = await leadership(world, old)
    assert.ok(next.epoch > old.epoch + 1)
    print('epoch raised: a node led', next.atMs - raisedAtMs)
    print('epoch raised: a pin that was deleted meanwhile was unpinned', (await unpinned) - raisedAtMs)
    await checkInvariants(world, ledger)
  })
})
