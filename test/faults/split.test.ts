// A world of its own: its network is cut.
import { strict as assert } from 'node:assert'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { freshBlocks } from '../../testing/content.ts'
import { leadership, type Leadership } from '../../testing/world/leader.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

/** The pause between rounds of pins during the split. */
const pauseMs = 3_000

suite('a network split, two nodes and one', () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    world = await World.start({ nodes: 3, restartAfter: 0.5, env: { ANCHORAGE_PIN_BACKOFF_MIN: '500ms' } })
    await world.well()
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  /**
   * Cuts the routes of node `n` while all processes keep running: its nats-server gets another password for routes and no other
   * members, so it and the others refuse each other. Resolves with a function that heals the split.
   */
  async function cut(n: number): Promise<() => Promise<void>> {
    const file = join(world.data, `node-${n}`, 'nats', 'nats.conf')
    const whole = await readFile(file, 'utf8')
    const config: { cluster: { authorization: object; routes: string[] } } = JSON.parse(whole)
    const { authorization } = config.cluster
    const alone = { ...config.cluster, authorization: { ...authorization, password: 'cut' }, routes: [] }
    const reload = async (text: string): Promise<void> => {
      await writeFile(file, text)
      await world.signal('nats', 'SIGHUP', n)
    }
    await reload(JSON.stringify({ ...config, cluster: alone }))
    return () => reload(whole)
  }

  async function post(through: number, count: number): Promise<void> {
    const blocks = await freshBlocks(count)
    await outside.rpc.put(blocks)
    const api = await world.api(through)
    await eachInFlight(blocks, 8, async ({ cid }) => {
      // One try only: the split must not make a single accept fail.
      const { requestid } = await api.post({ cid, origins: [outside.address] })
      ledger.promised.set(requestid, cid)
    })
  }

  test('the single node never leads, all three keep accepting, and after healing all invariants hold', async () => {
    const before_ = await leadership(world)
    const alone = before_.n
    const two = world.nodes.filter((n) => n !== alone)
    const heal = await cut(alone)
    const next = await leadership(world, before_)
    assert.ok(two.includes(next.n), `node ${next.n} leads, and it is alone`)
    await until('the one is degraded', async () => (await world.ready(alone)).status === 'degraded')
    const splitAt = Date.now()
    for (let round = 0; round < 4; round++) {
      for (const n of world.nodes) await post(n, 10)
      await delay(pauseMs)
    }
    // Pinning needs only Postgres and Kubo, so it continues too, on both sides.
    await checkInvariants(world, ledger)
    const last = await leadership(world)
    assert.ok(two.includes(last.n) && (await termsSince(alone, splitAt)).length === 0)

    await heal()
    await world.well()
    for (const n of world.nodes) await post(n, 10)
    await checkInvariants(world, ledger)
  })

  async function termsSince(n: number, sinceMs: number): Promise<Leadership[]> {
    const lines = await world.nodeLog(n)
    return lines.flatMap(({ msg, epoch, time }) =>
      msg === 'this node leads' && epoch !== undefined && Date.parse(time) > sinceMs
        ? [{ n, epoch, atMs: Date.parse(time) }]
        : [],
    )
  }
})
