import { strict as assert } from 'node:assert'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import pg from 'pg'
import { freshBlocks, type Block } from './content.ts'
import { leadership } from './leader.ts'
import { checkInvariants, Ledger, placements, rowsOf } from './ledger.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { alive } from './processes.ts'
import { eachInFlight, until } from './settle.ts'
import { World } from './world.ts'

const ttlMs = 5_000

suite('failover', { timeout: 300_000 }, () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    // Nothing comes back by itself: what is to fail over must not be helped by a restart.
    const env = { ANCHORAGE_CLUSTER_LEASE_TTL: `${ttlMs}ms`, ANCHORAGE_PIN_UNPIN_GRACE: '3s' }
    world = await World.start({ nodes: 3, restartAfter: 0, env })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  /** Content that node `n` has accepted. */
  async function accepted(n: number, count: number): Promise<{ requestid: string; cid: string }[]> {
    const blocks = await freshBlocks(count)
    await outside.rpc.put(blocks)
    const api = await world.api(n)
    const promise = ({ cid }: Block) => ledger.post(api, { cid, origins: [outside.address] })
    return eachInFlight(blocks, 4, async (block) => ({ ...block, requestid: await promise(block) }))
  }

  test('SIGKILL of the leader: another leads within the lease’s TTL and 3 s, and the API of the others serves on', async () => {
    const old = await leadership(world)
    const others = world.nodes.filter((n) => n !== old.n)
    const killedAt = Date.now()
    await world.kill('node', old.n)
    const next = await leadership(world, old)
    assert.ok(next.epoch > old.epoch)
    assert.notEqual(next.n, old.n)
    const tookMs = next.atMs - killedAt
    assert.ok(tookMs <= ttlMs + 3_000, `the next leader came after ${tookMs} ms`)
    for (const n of others) await accepted(n, 10)
    await world.revive(old.n)
    await checkInvariants(world, ledger)
  })

  test('SIGKILL of the leader with its nats-server and its Kubo: another leads', async () => {
    const old = await leadership(world)
    await world.pullPlug(old.n)
    const next = await leadership(world, old)
    assert.notEqual(next.n, old.n)
    await world.revive(old.n)
    await checkInvariants(world, ledger)
  })

  test('SIGTERM of the leader hands leadership over without waiting for the TTL', async () => {
    const old = await leadership(world)
    const toldAt = Date.now()
    const stopping = await world.signal('node', 'SIGTERM', old.n)
    const next = await leadership(world, old)
    assert.notEqual(next.n, old.n)
    assert.ok(next.atMs - toldAt < ttlMs, `it took ${next.atMs - toldAt} ms`)
    await until('it has stopped', () => !alive(stopping))
    await world.revive(old.n)
  })

  test('SIGSTOP of the leader past its TTL, then SIGCONT: its late write is refused, and nothing is done twice', async () => {
    // A leader may wake to the news that its lease is over before it reads the answer that it was stopped in: then it writes nothing.
    for (let tries = 0; !(await lateWriteIsRefused()); tries++) assert.ok(tries < 5, 'no late write was made')
    await checkInvariants(world, ledger)
  })

  /** Stops the leader amid its sweep until another leads, then lets it go on; whether it wrote, and Postgres refused. */
  async function lateWriteIsRefused(): Promise<boolean> {
    const old = await leadership(world)
    const pins = await accepted(old.n, 10)
    await checkInvariants(world, ledger)
    const where = new Map((await placements(world)).map(({ cid, n }) => [cid, n]))
    const pin = pins.find(({ cid }) => where.get(cid) !== old.n) ?? assert.fail('all lies on the leader')
    const [other = 0] = world.nodes.filter((n) => n !== old.n)
    await (await world.api(other)).remove(pin.requestid)
    ledger.forget(pin.requestid)
    // The leader's sweep is to be caught in the middle: its statement waits for this lock while the process is stopped.
    const lock = await lockContent(pin.cid)
    await until('the sweep waits for the lock', () => lock.isWaitedFor(), { withinMs: 20_000 })
    const paused = await world.signal('node', 'SIGSTOP', old.n)
    try {
      await lock.release()
      const next = await leadership(world, old)
      assert.notEqual(next.n, old.n)
      await until('the content is unpinned', async () =>
        (await placements(world)).every(({ cid }) => cid !== pin.cid),
      )
    } finally {
      process.kill(paused, 'SIGCONT')
    }
    // The sweep goes on from the answer that it was stopped in; Postgres tells of the write that it refuses.
    const refused = async (): Promise<boolean> => {
      const said = await readFile(join(world.data, 'logs', 'postgres.log'), 'utf8')
      return said.includes(`ERROR:  epoch ${old.epoch} is over`)
    }
    return await until('the late write is refused', refused, { withinMs: 5_000 }).catch(() => false)
  }

  /** Holds the content's row as a long transaction would. */
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
