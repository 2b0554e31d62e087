// A world of its own: `dev` itself is killed.
import { strict as assert } from 'node:assert'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { freshBlocks } from '../../testing/content.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger } from '../../testing/world/ledger.ts'
import { startOutsideKubo } from '../outside-kubo.ts'
import { alive, processesOf } from '../../testing/world/processes.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'

// Short backoffs, so that work that a fault interrupts is tried again within the test's patience.
const hasty = { ANCHORAGE_PIN_BACKOFF_MIN: '500ms', ANCHORAGE_PIN_BACKOFF_MAX: '2s' }

suite('kill -9 of anchorage dev itself', () => {
  test('the next start on the same data has every accepted pin, and leaves no process of the one before', async () => {
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
      posting.catch(() => {}) // awaited below; an earlier failure is the one to report
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
