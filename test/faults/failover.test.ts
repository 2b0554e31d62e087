// A world of its own: a server that dies is not started again.
import { strict as assert } from 'node:assert'
import { after, before, beforeEach, suite, test } from 'node:test'
import pg from 'pg'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { leadership, type Leadership } from '../../testing/world/leader.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements, rowsOf } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { alive } from '../../testing/world/processes.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

suite('failover', () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    // No server is restarted, so that a restart cannot help the failover.
    world = await World.start({ nodes: 3, restartAfter: 0, env: { ANCHORAGE_PIN_UNPIN_GRACE: '3s' } })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  /** Pins content through node `n`. */
  async function accepted(n: number, count: number): Promise<{ requestid: string; cid: string }[]> {
    const blocks = await freshBlocks(count)
    await outside.rpc.put(blocks)
    const api = await world.api(n)
    const promise = ({ cid }: Block) => ledger.post(api, { cid, origins: [outside.address] })
    return eachInFlight(blocks, 4, async (block) => ({ ...block, requestid: await promise(block) }))
  }

  beforeEach(() => world.well())

  /** Waits for the term after `old`, and prints how soon it began; `lease.test.ts` checks that time on a fake clock. */
  async function nextTerm(old: Leadership, sinceMs: number): Promise<void> {
    const next = await leadership(world, old)
    assert.ok(next.epoch > old.epoch)
    process.stderr.write(`node ${next.n} led ${((next.atMs - sinceMs) / 1000).toFixed(1)} s later\n`)
  }

  test('SIGKILL of the leader: another node leads, and the API of the others keeps serving', async () => {
    const old = await leadership(world)
    const killedAtMs = Date.now()
    await world.kill('node', old.n)
    await nextTerm(old, killedAtMs)
    for (const n of world.nodes.filter((each) => each !== old.n)) await accepted(n, 10)
    await world.revive(old.n)
    await checkInvariants(world, ledger)
  })

  test('SIGKILL of the leader with its nats-server and its Kubo: another node leads', async () => {
    const old = await leadership(world)
    const killedAtMs = Date.now()
    await world.pullPlug(old.n)
    await nextTerm(old, killedAtMs)
    await world.revive(old.n)
    await checkInvariants(world, ledger)
  })

  test('SIGTERM of the leader hands leadership over', async () => {
    const old = await leadership(world)
    const toldAtMs = Date.now()
    const stopping = await world.signal('node', 'SIGTERM', old.n)
    await nextTerm(old, toldAtMs)
    await until('it has stopped', () => !alive(stopping))
    await world.revive(old.n)
    await checkInvariants(world, ledger)
  })

  test('SIGSTOP of the leader in its sweep, past its TTL, then SIGCONT: nothing is lost and nothing is done twice', async () => {
    const old = await leadership(world)
    const pins = await accepted(old.n, 10)
    await checkInvariants(world, ledger)
    const where = new Map((await placements(world)).map(({ cid, n }) => [cid, n]))
    const pin =
      pins.find(({ cid }) => where.get(cid) !== old.n) ?? assert.fail('all copies are on the leader')
    const [other = 0] = world.nodes.filter((n) => n !== old.n)
    await (await world.api(other)).remove(pin.requestid)
    ledger.forget(pin.requestid)
    // Stops the leader in the middle of its sweep: its statement waits for this lock while the process is stopped.
    const lock = await lockContent(pin.cid)
    await until('the sweep waits for the lock', () => lock.isWaitedFor())
    const stoppedAtMs = Date.now()
    const paused = await world.signal('node', 'SIGSTOP', old.n)
    try {
      await lock.release()
      await nextTerm(old, stoppedAtMs)
      await until('the content is unpinned', async () =>
        (await placements(world)).every(({ cid }) => cid !== pin.cid),
      )
    } finally {
      process.kill(paused, 'SIGCONT')
    }
    await checkInvariants(world, ledger)
  })

  /** Locks the content's row, as a long transaction would. */
  async function lockContent(
    cid: string,
  ): Promise<{ isWaitedFor: () => Promise<boolean>; release: () => Promise<void> }> {
    const client = new pg.Client({ connectionString: await world.value('DATABASE_SYSTEM_URL') })
    await client.connect()
    await client.query('begin')
    await client.query('select from contents where cid = $1 for update', [cid])
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return {
      async isWaitedFor() {
        const sql = `select pid from pg_stat_activity where pg_blocking_pids(pid) @> array[${rows[0]?.pid}]`
        return (await rowsOf(world, sql)).length > 0
      },
      async release() {
        await client.query('commit')
        await client.end()
      },
    }
  }
})
