// A world of its own: every node loses its power, then all nodes lose JetStream.
import { strict as assert } from 'node:assert'
import { rm } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { shuffled } from './chance.ts'
import { freshBlocks, type Block } from '../../testing/content.ts'
import type { MaintenanceStatus as Maintenance } from '../../src/http/admin/schema.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements, rowsOf } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

/** `last_seen` counts as a sign of life for this long; a killed node is silent only after that. */
const signFreshMs = 30_000

suite('maintenance', () => {
  let world: World
  let outside: OutsideKubo
  let todo: Block[]
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    todo = await freshBlocks(400)
    await outside.rpc.put(todo)
    const env = {
      ANCHORAGE_CLUSTER_DOWN_GRACE: '2s',
      ANCHORAGE_CLUSTER_MAINTENANCE_MAX_DURATION: '2s',
      ANCHORAGE_PIN_BACKOFF_MIN: '500ms',
    }
    world = await World.start({ nodes: 3, restartAfter: 0, env })
    await post(150)
    await checkInvariants(world, ledger)
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  async function post(count: number, through = 1): Promise<void> {
    const api = await world.api(through)
    await eachInFlight(todo.splice(0, count), 8, ({ cid }) =>
      ledger.post(api, { cid, origins: [outside.address] }),
    )
  }

  async function repairs(): Promise<number> {
    const [row] = await rowsOf<{ n: number }>(
      world,
      `select count(*)::int as n from audit_log where action = 'placement.add'`,
    )
    return row?.n ?? 0
  }

  test('while all three nodes are restarted in turn nothing is repaired, the API serves, and pins are accepted', async () => {
    const { on } = await world.admin<Maintenance>('maintenance', 'on', '--reason', 'new disks')
    assert.ok(on)
    for (const n of shuffled(world.nodes)) {
      const [other = 1] = world.nodes.filter((each) => each !== n)
      await world.pullPlug(n)
      await delay(signFreshMs + 5_000)
      await post(10, other)
      await world.revive(n)
      await world.well('maintenance')
    }
    await world.well('maintenance')
    assert.equal(await repairs(), 0)
    assert.ok((await placements(world)).every(({ lost, reason }) => !lost && reason === 'new'))
    assert.ok((await world.admin<Maintenance>('maintenance', 'status')).on, 'it ended by itself')
  })

  test('without an end, the nodes log loud warnings past the limit, and it stays on', async () => {
    const loud = async (n: number): Promise<boolean> =>
      (await world.nodeLog(n)).some(
        ({ level, msg }) => level === 'error' && msg.startsWith('maintenance has been on'),
      )
    await until('a leader is loud', async () => (await Promise.all(world.nodes.map(loud))).includes(true))
    for (const n of world.nodes) {
      const { http, reasons } = await world.ready(n)
      assert.equal(http, 200)
      assert.match(reasons.find(({ what }) => what === 'maintenance')?.reason ?? '', /new disks/)
    }
    assert.ok((await world.admin<Maintenance>('maintenance', 'status')).on)
  })

  test('off: a dead node is repaired', async () => {
    await world.admin('maintenance', 'off')
    await world.pullPlug(3)
    await checkInvariants(world, ledger, { without: [3] })
    assert.ok((await repairs()) > 0)
    await world.revive(3)
    await checkInvariants(world, ledger)
  })

  test('with --ttl it ends automatically, and that is in the audit', async () => {
    const { until: end } = await world.admin<Maintenance>(
      'maintenance',
      'on',
      '--reason',
      'short',
      '--ttl',
      '3s',
    )
    assert.ok(end !== null)
    await until('it is over', async () => !(await world.admin<Maintenance>('maintenance', 'status')).on)
    const ended = await rowsOf<{ action: string }>(
      world,
      `select action from audit_log where action like '%maintenance%' order by at desc limit 1`,
    )
    assert.match(ended[0]?.action ?? '', /end|off/)
  })

  test('it survives the loss of all of JetStream', async () => {
    await world.admin('maintenance', 'on', '--reason', 'kept')
    await world.stop()
    for (const n of world.nodes) await rm(await world.jetStreamDir(n), { recursive: true })
    await world.startAgain()
    const { on, reason } = await world.admin<Maintenance>('maintenance', 'status')
    assert.deepEqual({ on, reason }, { on: true, reason: 'kept' })
    await world.admin('maintenance', 'off')
  })
})
