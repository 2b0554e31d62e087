import { strict as assert } from 'node:assert'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { freshBlocks, type Block } from './content.ts'
import { checkInvariants, Ledger } from './ledger.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { alive, processesOf } from './processes.ts'
import { eachInFlight, until } from './settle.ts'
import { World, type Server } from './world.ts'

// Short enough that what a fault cut off is tried again within the test's patience.
const hasty = { ANCHORAGE_PIN_BACKOFF_MIN: '500ms', ANCHORAGE_PIN_BACKOFF_MAX: '2s' }

suite('faults in the middle of 500 pins', { timeout: 600_000 }, () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()

  before(async () => {
    outside = await startOutsideKubo()
    world = await World.start({ env: hasty })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  /** POSTs 500 pins of content that only the outside Kubo has, calls `strike` after 150 of the 202s, and lets the rest go on. */
  async function postThrough(strike: () => Promise<void>): Promise<void> {
    const blocks = await freshBlocks(500)
    await outside.rpc.put(blocks)
    await postAll(blocks, strike)
  }

  async function postAll(blocks: Block[], strike: () => Promise<void>): Promise<void> {
    const api = await world.api()
    let accepted = 0
    let struck: Promise<void> | undefined
    await eachInFlight(blocks, 8, async (block, n) => {
      await ledger.post(api, { cid: block.cid, name: `pin ${n}`, origins: [outside.address] })
      if (++accepted === 150) struck = strike()
    })
    assert.ok(struck, 'the fault struck')
    await struck
  }

  for (const server of ['node', 'nats', 'kubo', 'postgres'] as const) {
    test(`kill -9 of ${server}: every 202 is listed once, ends pinned, and has one placement`, async () => {
      await postThrough(async () => void (await world.restarted(server, await world.kill(server))))
      await checkInvariants(world, ledger)
    })
  }

  test('kill -9 of all four at once: the same', async () => {
    const servers: Exclude<Server, 'dev'>[] = ['node', 'nats', 'kubo', 'postgres']
    await postThrough(async () => {
      const pids = await Promise.all(servers.map((server) => world.kill(server)))
      await Promise.all(servers.map((server, n) => world.restarted(server, pids[n] ?? 0)))
    })
    await checkInvariants(world, ledger)
  })

  test('all files of JetStream deleted while its server is killed: the same', async () => {
    await postThrough(async () => {
      const dir = await world.jetStreamDir()
      const old = await world.kill('nats')
      await rm(dir, { recursive: true, force: true })
      await world.restarted('nats', old)
    })
    await checkInvariants(world, ledger)
  })

  test('all files of JetStream deleted under its running server: the same, then and after its restart', async () => {
    await postThrough(async () => rm(await world.jetStreamDir(), { recursive: true, force: true }))
    await checkInvariants(world, ledger)
    await world.restarted('nats', await world.kill('nats'))
    await postThrough(async () => {})
    await checkInvariants(world, ledger)
  })

  test('nats-server frozen for a minute: pins go on being accepted and pinned, and readiness says degraded', async () => {
    const api = await world.api()
    const frozen = await world.signal('nats', 'SIGSTOP')
    const since = performance.now()
    try {
      while (performance.now() - since < 60_000) {
        const blocks = await freshBlocks(50)
        await outside.rpc.put(blocks)
        const start = performance.now()
        await eachInFlight(blocks, 8, (block) =>
          ledger.post(api, { cid: block.cid, origins: [outside.address] }),
        )
        assert.ok(performance.now() - start < 10_000, 'accepting 50 pins took longer than 10 s')
        await checkInvariants(world, ledger, { withinMs: 30_000 })
        assert.ok(alive(frozen))
      }
      const ready = await fetch(`${api.url}/ready`)
      const body = await ready.text()
      assert.equal(ready.status, 200, body)
      assert.match(body, /"status":\s*"degraded"/)
      assert.match(body, /nats/i)
    } finally {
      if (alive(frozen)) process.kill(frozen, 'SIGCONT')
    }
    await until('ready is ok again', async () =>
      /"status":\s*"ok"/.test(await (await fetch(`${api.url}/ready`)).text()),
    )
  })
})

suite('kill -9 of anchorage dev itself', { timeout: 180_000 }, () => {
  test('the next start on the same data finds every 202 and leaves no process of the one before', async () => {
    const data = await mkdtemp(join(tmpdir(), 'anchorage-test-'))
    await using outside = await startOutsideKubo()
    const ledger = new Ledger()
    const world = await World.start({ data, env: hasty })
    try {
      const before = await world.env()
      const blocks = await freshBlocks(300)
      await outside.rpc.put(blocks)
      const api = await world.api()
      const posting = eachInFlight(blocks, 8, (block) =>
        ledger.post(api, { cid: block.cid, origins: [outside.address] }),
      )
      posting.catch(() => {}) // awaited below; a failure before that is the one to tell
      await until('half is accepted', () => ledger.promised.size >= 150, { everyMs: 5 })
      const old = await world.pids()
      await world.crash()
      await world.startAgain()
      await posting
      const now = await world.env()
      for (const name of ['ANCHORAGE_URL', 'ANCHORAGE_TOKEN', 'NODE_ID_1'])
        assert.equal(now[name], before[name], name)
      assert.deepEqual(old.filter(alive), [], 'servers of the first run are left')
      await checkInvariants(world, ledger)
    } finally {
      await world.stop()
      await rm(data, { recursive: true, force: true })
    }
    assert.deepEqual(await processesOf(data), [])
  })
})
