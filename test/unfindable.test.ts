// A world of its own: it gives up content after 20 s, and all of its slots are taken.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { freshBlocks, type Block } from '../testing/content.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { eachInFlight, until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

suite('content that no peer has', () => {
  let world: World
  let outside: OutsideKubo
  let withheld: Block[]

  before(async () => {
    // more blocks than the node works on at a time
    withheld = await freshBlocks(40)
    outside = await startOutsideKubo()
    world = await World.start({
      env: {
        ANCHORAGE_PIN_STALL_TIMEOUT: '2s',
        ANCHORAGE_PIN_MAX_AGE: '20s',
        ANCHORAGE_PIN_BACKOFF_MIN: '500ms',
        ANCHORAGE_PIN_BACKOFF_MAX: '2s',
        ANCHORAGE_PIN_CONCURRENCY: '8',
      },
    })
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  test('waits and is retried without delaying 200 fresh pins, and fails with its reason at the age limit', async () => {
    const api = await world.api()
    // more pins than the node works on at a time
    const lost = await Promise.all(withheld.map((block) => api.post({ cid: block.cid })))
    for (const pin of lost) assert.ok(['queued', 'pinning'].includes(pin.status))
    await until('all places are taken', async () => (await api.list({ status: 'pinning' })).count >= 8)

    const blocks = await freshBlocks(200)
    await outside.rpc.put(blocks)
    await eachInFlight(blocks, 8, (block) =>
      api.post({ cid: block.cid, name: 'fresh', origins: [outside.address] }),
    )
    await until(
      '200 fresh pins are pinned',
      async () => (await api.list({ name: 'fresh', status: 'pinned' })).count === 200,
    )

    const first = lost[0] ?? assert.fail()
    const retried = await until('it is tried again', async () => {
      const pin = await api.get(first.requestid)
      return Number(pin.info?.attempts ?? 0) >= 2 && pin
    })
    assert.notEqual(retried.status, 'pinned')
    assert.ok(retried.info?.status_details)

    // The time of failure is tested with a fake clock in `src/workers/pin-worker.test.ts`.
    await until('all are given up', async () => (await api.list({ status: 'failed' })).count === 40, {
      everyMs: 500,
    })
    for (const pin of (await api.list({ status: 'failed', limit: '40' })).results) {
      assert.equal(pin.info?.error_code, 'not_found_in_time', JSON.stringify(pin.info))
      assert.ok(pin.info?.status_details)
    }
  })

  test('a failed pin is tried again at once when it is wanted again, and is then found', async () => {
    const api = await world.api()
    const [block] = withheld
    assert.ok(block)
    const [old] = (await api.list({ cid: block.cid, status: 'failed' })).results
    assert.ok(old)
    await outside.rpc.put([block])
    const again = await api.post({ cid: block.cid, origins: [outside.address] })
    assert.notEqual(again.status, 'failed')
    for (const pin of [again, old]) {
      await until('both stand', async () => (await api.get(pin.requestid)).status === 'pinned')
    }
  })

  test('origins that cannot be dialled do not fail a pin whose content is available elsewhere', async () => {
    const api = await world.api()
    const [block] = await freshBlocks(1)
    assert.ok(block)
    await outside.rpc.put([block])
    const unreachable = '/ip4/127.0.0.1/tcp/9/p2p/12D3KooWQCfHpredgVVothFUNntXFvKuneCUC29NUcrpLNTh9byB'
    const pin = await api.post({ cid: block.cid, origins: [unreachable, outside.address] })
    await until('it is pinned', async () => (await api.get(pin.requestid)).status === 'pinned')
  })
})
