// A world of its own: hundreds of orgs wait for content that no peer has, with short limits.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { mintId, type OrgId, type PinId } from '../../src/core/ids.ts'
import { freshBlocks, type Block } from '../../testing/content.ts'
import { patience } from '../../testing/patience.ts'
import { eachInFlight, until } from '../../testing/settle.ts'
import { World } from '../../testing/world/world.ts'
import { mintingFor, type Minting } from '../minting.ts'
import { startOutsideKubo, type OutsideKubo } from '../outside-kubo.ts'

const orgs = 300
const stallMs = 2_000
const backoffMaxMs = 60_000
const pollMs = 2_000
const slots = 32
/** The bound of docs/scaling.md while no fresh pin waits: the longest backoff, the wait of a due retry, and the attempt itself. */
const waitMs = pollMs * (Math.ceil(orgs / 256) + 1) + orgs * (750 / slots + 5_500 / 256)
const boundMs = backoffMaxMs + waitMs + stallMs

interface Waiting {
  org: OrgId
  id: PinId
  block: Block
}

suite(`${orgs} orgs that each wait for one content that no peer has, on one node`, () => {
  let world: World
  let outside: OutsideKubo
  let minting: Minting
  let waiting: Waiting[]

  before(async () => {
    outside = await startOutsideKubo()
    world = await World.start({
      env: {
        ANCHORAGE_PIN_STALL_TIMEOUT: `${stallMs}ms`,
        ANCHORAGE_PIN_BACKOFF_MIN: '20s',
        ANCHORAGE_PIN_BACKOFF_MAX: `${backoffMaxMs}ms`,
        ANCHORAGE_PIN_POLL_INTERVAL: `${pollMs}ms`,
        ANCHORAGE_PIN_CONCURRENCY: String(slots),
      },
    })
    await world.well()
    minting = await mintingFor(world)
    waiting = await ask(orgs, 'old')
  })

  after(async () => {
    await minting[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  /** Makes orgs, each with a pin of content that only the outside Kubo will have. */
  async function ask(count: number, name: string): Promise<Waiting[]> {
    const { orgDirectory, pins, nodes } = minting.store
    const [node] = await nodes.list()
    assert.ok(node)
    return eachInFlight(await freshBlocks(count), 4, async (block, n) => {
      const org = (await orgDirectory.createOrg(`${name}-${n}`, {}, 'a test')).id
      const pin = { id: mintId('pin'), actor: mintId('tok'), cid: block.cid, cidText: block.cid, replicas: 1 }
      await pins.acceptPins(org, [{ ...pin, origins: [outside.address], nodes: [node.id] }], false)
      return { org, id: pin.id, block }
    })
  }

  const attempts = async ({ org, id }: Waiting) =>
    Number((await minting.store.pins.getPin(org, id)).info['attempts'] ?? 0)

  /** Gives the content of `one` to the outside Kubo. Resolves with how long it takes until it is pinned. */
  async function appears(one: Waiting, what: string): Promise<void> {
    await outside.rpc.put([one.block])
    const since = performance.now()
    const isPinned = async () => (await minting.store.pins.getPin(one.org, one.id)).status === 'pinned'
    await until(`the content of ${what} is pinned`, isPinned, { withinMs: patience.longMs })
    const tookMs = performance.now() - since
    process.stderr.write(
      `${what}: pinned after ${Math.round(tookMs / 1_000)} s; the bound is ${Math.round(boundMs / 1_000)} s\n`,
    )
    assert.ok(tookMs <= boundMs, `${what} took ${tookMs} ms; the bound is ${boundMs} ms`)
  }

  test('all are tried as often as one another', async () => {
    const counts = async () => Promise.all(waiting.map(attempts))
    await until('each has four attempts', async () => (await counts()).every((count) => count >= 4), {
      withinMs: 2 * patience.longMs,
      everyMs: 1_000,
    })
    const now = await counts()
    process.stderr.write(`attempts: ${Math.min(...now)} to ${Math.max(...now)}\n`)
    assert.ok(Math.max(...now) <= 3 * Math.min(...now), `${Math.min(...now)} to ${Math.max(...now)} attempts`)
  })

  test('the youngest org gets its content within the stated bound after a peer has it', async () => {
    await appears(waiting.at(-1) ?? assert.fail(), 'the youngest org')
    await appears(waiting[0] ?? assert.fail(), 'the oldest org')
  })

  test('so does an org that comes later', async () => {
    const later = await ask(10, 'later')
    const tried = async () => (await Promise.all(later.map(attempts))).every((count) => count >= 2)
    await until('each of ten later orgs is tried again', tried, { withinMs: patience.longMs, everyMs: 500 })
    await appears(later.at(-1) ?? assert.fail(), 'an org that came later')
  })
})
