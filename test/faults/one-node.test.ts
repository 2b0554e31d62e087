// A world of its own: all its servers are killed, are paused, or lose their files.
import { strict as assert } from 'node:assert'
import { rm } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { shuffled } from './chance.ts'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'
import { alive } from '../../testing/world/processes.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World, type Server } from '../../testing/world/world.ts'

// Short backoffs, so that work that a fault interrupts is tried again within the test's patience.
const hasty = { ANCHORAGE_PIN_BACKOFF_MIN: '500ms', ANCHORAGE_PIN_BACKOFF_MAX: '2s' }

suite('faults in the middle of 500 pins', () => {
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

  /** POSTs 500 pins of content that only the outside Kubo has, calls `strike` after 150 of the 202s, and lets the others continue. */
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

  for (const server of shuffled(['node', 'nats', 'kubo', 'postgres'] as const)) {
    test(`kill -9 of ${server}: every 202 is listed once, ends pinned, and has one placement`, async () => {
      await postThrough(async () => void (await world.restarted(server, await world.kill(server))))
      await checkInvariants(world, ledger)
    })
  }

  test('kill -9 of all four at once: the same holds', async () => {
    const servers: Exclude<Server, 'dev'>[] = ['node', 'nats', 'kubo', 'postgres']
    await postThrough(async () => {
      const pids = await Promise.all(servers.map((server) => world.kill(server)))
      await Promise.all(servers.map((server, n) => world.restarted(server, pids[n] ?? 0)))
    })
    await checkInvariants(world, ledger)
  })

  test('all files of JetStream deleted while its server is killed: the same holds', async () => {
    await postThrough(async () => {
      const dir = await world.jetStreamDir()
      const old = await world.kill('nats')
      await rm(dir, { recursive: true, force: true })
      await world.restarted('nats', old)
    })
    await checkInvariants(world, ledger)
  })

  test('all files of JetStream deleted under its running server: the same holds, before and after its restart', async () => {
    await postThrough(async () => rm(await world.jetStreamDir(), { recursive: true, force: true }))
    await checkInvariants(world, ledger)
    await world.restarted('nats', await world.kill('nats'))
    await postThrough(async () => {})
    await checkInvariants(world, ledger)
  })

  test('nats-server paused for a minute: pins are still accepted and pinned, and readiness says degraded', async () => {
    const api = await world.api()
    const frozen = await world.signal('nats', 'SIGSTOP')
    const since = performance.now()
    try {
      while (performance.now() - since < 60_000) {
        const blocks = await freshBlocks(50)
        await outside.rpc.put(blocks)
        await eachInFlight(blocks, 8, (block) =>
          ledger.post(api, { cid: block.cid, origins: [outside.address] }),
        )
        await checkInvariants(world, ledger)
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
