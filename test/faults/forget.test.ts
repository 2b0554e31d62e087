// A world of its own: a node is lost for good, with the only copy of its content.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { freshBlocks } from '../../testing/content.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { Ledger, placements } from '../../testing/world/ledger.ts'
import { World } from '../../testing/world/world.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'

interface Forgotten {
  name: string
  forgotten: boolean
  lost: { contents: number; pins: number; orgs: number; bytes: number }
}

suite('a node that is lost for good with the only copy of something', () => {
  let world: World
  let outside: OutsideKubo
  const ledger = new Ledger()
  const slow = { withinMs: patience.longMs, everyMs: 1_000 }

  before(async () => {
    outside = await startOutsideKubo()
    const env = {
      ANCHORAGE_CLUSTER_DOWN_GRACE: '5s',
      ANCHORAGE_PIN_BACKOFF_MIN: '500ms',
      ANCHORAGE_PIN_BACKOFF_MAX: '2s',
      ANCHORAGE_PIN_STALL_TIMEOUT: '2s',
    }
    world = await World.start({ nodes: 3, restartAfter: 0, env })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  /** The lines that `admin forget dev-3 --json` prints, also when it fails, and what it says on standard error then. */
  async function forget(...more: string[]): Promise<{ lines: unknown[]; stderr: string }> {
    const { stdout, stderr } = await world.anchorage('admin', 'forget', 'dev-3', '--json', ...more).then(
      (text) => ({ stdout: text, stderr: '' }),
      (error: { stdout: string; stderr: string }) => error,
    )
    const lines = stdout.split('\n').filter((line) => line !== '')
    return { lines: lines.map((line): unknown => JSON.parse(line)), stderr }
  }

  test('is forgotten only with --accept-loss; its pins say so, and are pinned again once a provider has the content', async () => {
    const blocks = await freshBlocks(30)
    await outside.rpc.put(blocks)
    const api = await world.api(1)
    const pins = await eachInFlight(blocks, 4, async ({ cid }) => ({
      cid,
      id: await ledger.post(api, { cid, origins: [outside.address] }),
    }))
    await checkInvariants(world, ledger)
    const held = new Set((await placements(world)).filter(({ n }) => n === 3).map(({ cid }) => cid))
    assert.ok(held.size > 2, `node 3 holds ${held.size}`)

    await outside.kubo.kill('SIGTERM')
    assert.match((await forget('--accept-loss', '--yes')).stderr, /alive/)
    await world.pullPlug(3)
    const refused = await until(
      'it counts as gone',
      async () => {
        const said = await forget()
        return /no other node has/.test(said.stderr) && said
      },
      slow,
    )
    assert.match(refused.stderr, new RegExp(`no other node has ${held.size} .*--accept-loss`))
    assert.deepEqual(new Set(refused.lines.slice(0, -1).map((line) => (line as { cid: string }).cid)), held)

    const { lines, stderr } = await forget('--accept-loss', '--confirm', 'dev-3')
    const [done] = lines as Forgotten[]
    assert.ok(done, stderr)
    assert.deepEqual(
      [done.name, done.forgotten, done.lost.contents, done.lost.pins, done.lost.orgs],
      ['dev-3', true, held.size, held.size, 1],
    )
    for (const { cid, id } of pins) {
      const { status, info = {} } = await api.get(id)
      if (!held.has(cid)) assert.deepEqual([status, info.error_code], ['pinned', undefined])
      else {
        assert.ok(['queued', 'pinning'].includes(status), status)
        assert.equal(info.error_code, 'lost')
        assert.match(info.status_details ?? '', /^the only copy was on a node that is gone/)
      }
    }

    await outside.kubo.restart()
    await until(
      'all are pinned again',
      async () => {
        return (await api.list({ status: 'pinned', limit: '1' })).count === pins.length
      },
      slow,
    )
    await checkInvariants(world, ledger, { without: [3] })
    for (const n of [1, 2])
      await until(
        `node ${n} has NATS`,
        async () => !(await world.ready(n)).reasons.some(({ what }) => what === 'nats'),
        slow,
      )
  })
})
