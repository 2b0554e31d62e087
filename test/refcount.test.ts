// A world of its own: unwanted content is unpinned after a second, and its Kubo collects garbage.
import { strict as assert } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import type { Api, WireStatus } from '../testing/clients/api.ts'
import { freshBlocks } from '../testing/content.ts'
import { kuboRpc, type KuboRpc } from '../testing/clients/kubo-rpc.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

// Each test waits for the leader's sweep, which runs every few seconds. The tests run concurrently, so that they wait for the same
// sweep.
suite('content that several pins share', { concurrency: true }, () => {
  let world: World
  let outside: OutsideKubo
  let kubo: KuboRpc
  let one: Api
  let two: Api

  before(async () => {
    outside = await startOutsideKubo()
    world = await World.start({ env: { ANCHORAGE_PIN_UNPIN_GRACE: '1s' } })
    kubo = kuboRpc(await world.value('KUBO_RPC_1'))
    one = await world.api()
    two = await world.newOrg('second')
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  async function offered(): Promise<string> {
    const [block] = await freshBlocks(1)
    assert.ok(block)
    await outside.rpc.put([block])
    return block.cid
  }

  async function pinned(api: Api, cid: string): Promise<WireStatus> {
    const { requestid } = await api.post({ cid, origins: [outside.address] })
    return until(`${cid} is pinned`, async () => {
      const pin = await api.get(requestid)
      return pin.status === 'pinned' && pin
    })
  }

  const held = async (cid: string): Promise<boolean> => (await kubo.pins()).has(cid)
  const letGo = (cid: string): Promise<boolean> =>
    until(`Kubo lets go of ${cid}`, async () => !(await held(cid)))

  /** Waits longer than the grace and one round of the workers, by waiting until other content of the same age is unpinned. */
  async function outlast(grace: () => Promise<unknown>): Promise<void> {
    const marker = await pinned(one, await offered())
    await one.remove(marker.requestid)
    await grace()
    await letGo(marker.pin.cid)
  }

  for (const [first, last] of [
    ['one', 'two'],
    ['two', 'one'],
  ] as const) {
    test(`pinned by two orgs: org ${first} deletes and org ${last} keeps it; the last delete unpins it`, async () => {
      const cid = await offered()
      const pins = { one: await pinned(one, cid), two: await pinned(two, cid) }
      const orgs = { one, two }
      await orgs[first].remove(pins[first].requestid)
      await outlast(async () => {})
      assert.ok(await held(cid), 'the delete of one org unpinned the other’s content')
      assert.equal((await orgs[last].get(pins[last].requestid)).status, 'pinned')
      await orgs[last].remove(pins[last].requestid)
      await letGo(cid)
    })
  }

  test('one CID in two spellings is one content: deleting one pin keeps it for the other', async () => {
    const cid = await offered()
    const odd = cid.slice(0, 20) + cid.slice(20).toUpperCase()
    const own = await pinned(one, cid)
    const other = await two.post({ cid: odd })
    assert.deepEqual([other.pin.cid, other.status], [odd, 'pinned'])
    assert.equal((await two.list({ cid })).results[0]?.requestid, other.requestid)
    await two.remove(other.requestid)
    await outlast(async () => {})
    assert.ok(await held(cid), 'the delete of the odd spelling unpinned the content')
    const alone = await pinned(two, odd)
    await one.remove(own.requestid)
    await outlast(async () => {})
    assert.ok(await held(cid), 'the odd spelling alone keeps nothing')
    await two.remove(alone.requestid)
    await letGo(cid)
  })

  test('content that is pinned already is pinned at once for the next org', async () => {
    const cid = await offered()
    const first = await pinned(one, cid)
    const second = await two.post({ cid })
    assert.equal(second.status, 'pinned')
    await one.remove(first.requestid)
    await two.remove(second.requestid)
    await letGo(cid)
  })

  test('when deletes and pins of one content race, it is held exactly when a pin remains', async () => {
    const cids = await Promise.all(Array.from({ length: 20 }, offered))
    const ends = await Promise.all(
      cids.map(async (cid, n) => {
        const pins = await Promise.all([pinned(one, cid), pinned(two, cid)])
        const removals = [one.remove(pins[0].requestid), two.remove(pins[1].requestid)]
        const wantedAgain = n % 2 === 0
        const again = wantedAgain ? [one.post({ cid, origins: [outside.address] })] : []
        const [survivor] = (await Promise.all([...removals, ...again])).slice(2)
        return { cid, survivor }
      }),
    )
    await outlast(async () => {})
    for (const { cid, survivor } of ends) {
      if (survivor === undefined) await letGo(cid)
      else
        await until(
          `${cid} ends pinned`,
          async () => (await one.get(survivor.requestid)).status === 'pinned' && held(cid),
        )
    }
    await outlast(async () => {})
    for (const { cid, survivor } of ends) assert.equal(await held(cid), survivor !== undefined, cid)
  })

  test('content that is wanted again while it is being unpinned ends pinned', async () => {
    const cid = await offered()
    for (let round = 0; round < 3; round++) {
      const pin = await pinned(one, cid)
      await one.remove(pin.requestid)
      await letGo(cid)
      const again = await one.post({ cid, origins: [outside.address] })
      await until(
        'it is pinned again',
        async () => (await one.get(again.requestid)).status === 'pinned' && held(cid),
      )
      await one.remove(again.requestid)
    }
    await letGo(cid)
  })

  test('the last delete aborts unfinished work at once, not after the grace', async () => {
    const lost = (await freshBlocks(1))[0]?.cid ?? ''
    const pin = await one.post({ cid: lost })
    await until('Kubo looks for it', async () => (await one.get(pin.requestid)).status === 'pinning')
    await one.remove(pin.requestid)
    await until('Kubo stopped', async () => !(await kubo.call('bitswap/wantlist')).includes(lost))
  })

  test('a replace keeps the old content until the new content is pinned, so common blocks are never fetched twice', async () => {
    const common = randomBytes(2 << 20)
    const before = await outside.rpc.add(Uint8Array.from(common))
    const old = await pinned(one, before)
    const lost = (await freshBlocks(1))[0]?.cid ?? ''
    const waiting = await one.replace(old.requestid, { cid: lost })
    await outlast(async () => {})
    assert.ok(await held(before), 'the old content went before the new one stood')
    const after = await outside.rpc.add(Uint8Array.from(Buffer.concat([common, randomBytes(1000)])))
    const last = await one.replace(waiting.requestid, { cid: after, origins: [outside.address] })
    await until('the new content is pinned', async () => (await one.get(last.requestid)).status === 'pinned')
    assert.ok(await held(after))
    await letGo(before)
    await kubo.gc()
    const blocks = new Set(await kubo.blocks())
    const leaves: string = await kubo.call('refs', [
      ['arg', after],
      ['recursive', 'true'],
    ])
    for (const line of leaves.split('\n').filter(Boolean)) {
      const { Ref }: { Ref: string } = JSON.parse(line)
      assert.ok(blocks.has(Ref), `a common block is gone: ${Ref}`)
    }
    await one.remove(last.requestid)
    await letGo(after)
  })

  test('a pin that an operator made in Kubo is never removed', async () => {
    const [block] = await freshBlocks(1)
    assert.ok(block)
    await kubo.put([block])
    await kubo.call('pin/add', [
      ['arg', block.cid],
      ['name', 'by hand'],
    ])
    const pin = await pinned(one, block.cid)
    await one.remove(pin.requestid)
    await outlast(async () => {})
    assert.equal((await kubo.pins()).get(block.cid), 'by hand')
  })
})
