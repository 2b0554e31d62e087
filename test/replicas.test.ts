import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { refusalOf, type Api, type WireStatus } from './api.ts'
import { freshBlocks } from './content.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { until } from './settle.ts'
import { World } from './world.ts'

/** Begins with one node, which two more join. */
suite('copies on several nodes', { timeout: 400_000 }, () => {
  let world: World
  let outside: OutsideKubo
  let api: Api
  let early: WireStatus

  before(async () => {
    outside = await startOutsideKubo()
    world = await World.start({ nodes: 1, env: { ANCHORAGE_PIN_UNPIN_GRACE: '1s' } })
    api = await world.api()
  })

  after(async () => {
    await outside[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  async function post(through: Api, replicas: number | null, cid?: string): Promise<WireStatus> {
    const wanted = cid ?? (await offered())
    const meta = replicas === null ? {} : { meta: { 'anchorage.replicas': String(replicas), app: 'test' } }
    return through.post({ cid: wanted, origins: [outside.address], ...meta })
  }

  async function offered(): Promise<string> {
    const [block] = await freshBlocks(1)
    assert.ok(block)
    await outside.rpc.put([block])
    return block.cid
  }

  function pinned(through: Api, { requestid }: WireStatus): Promise<WireStatus> {
    return until(`${requestid} is pinned\n${world.progress()}`, async () => {
      const pin = await through.get(requestid)
      return pin.status === 'pinned' && pin
    })
  }

  /** The numbers of the nodes whose Kubos hold a content. */
  async function holders(cid: string): Promise<number[]> {
    const held = await Promise.all(
      world.nodes.map(async (n) => (await (await world.kubo(n)).pins()).has(cid) && n),
    )
    return held.filter((n) => n !== false)
  }

  const heldBy = (cid: string, count: number): Promise<boolean> =>
    until(`${count} nodes hold ${cid}`, async () => (await holders(cid)).length === count)

  test('a number that is none is refused by the name of its field, and nothing is kept of the pin', async () => {
    const cid = await offered()
    for (const replicas of ['0', '101', 'many', '1.5']) {
      const body = { cid, meta: { 'anchorage.replicas': replicas } }
      const { details } = refusalOf(await api.send('POST', '/pins', { body }), 400)
      assert.match(details, /meta\.anchorage\.replicas: must be a whole number from 1 to 100/)
    }
    assert.equal((await api.list({ cid, status: 'queued,pinning,pinned,failed' })).count, 0)
  })

  test('two copies on one node: accepted, fetched, not pinned, and it says what is missing', async () => {
    early = await post(api, 2)
    assert.match(early.info?.status_details ?? '', /1 copy waits for a node that has room/)
    assert.equal(early.pin.meta?.['anchorage.replicas'], '2')
    await heldBy(early.pin.cid, 1)
    const pin = await until('its one copy is told of', async () => {
      const now = await api.get(early.requestid)
      return now.info?.copies?.endsWith(' pinned') && now
    })
    assert.notEqual(pin.status, 'pinned')
    assert.equal(pin.info?.replicas, '2')
    assert.equal(pin.info?.status_details, '1 of 2 copies pinned; 1 copy waits for a node that has room')
  })

  test('it is pinned once a second node is there', async () => {
    await world.stop()
    await world.startAgain({ nodes: 3 })
    await world.well()
    api = await world.api()
    const pin = await pinned(api, early)
    assert.equal(pin.info?.status_details, 'pinned on 2 nodes')
    const nodes = await holders(early.pin.cid)
    assert.equal(nodes.length, 2)
    assert.equal(pin.info?.copies, nodes.map((n) => `dev-${n} pinned`).join(', '))
  })

  for (const replicas of [2, 3]) {
    test(`a pin with ${replicas} replicas stands on ${replicas} nodes when it reads pinned, and its delete unpins them all`, async () => {
      const pin = await pinned(api, await post(api, replicas))
      assert.equal((await holders(pin.pin.cid)).length, replicas)
      assert.equal(pin.info?.copies?.split(', ').length, replicas)
      assert.ok(pin.delegates.length >= replicas)
      await api.remove(pin.requestid)
      await heldBy(pin.pin.cid, 0)
    })
  }

  test("an org's number holds for its pins that say none, from the next pin on", async () => {
    const org = await world.newOrg('copies')
    const before = await pinned(org, await post(org, null))
    assert.equal(before.info?.replicas, '1')
    await world.anchorage('admin', 'set-org', 'copies', '--replicas', '2')
    const after = await pinned(org, await post(org, null))
    assert.equal((await holders(after.pin.cid)).length, 2)
    const own = await pinned(org, await post(org, 1))
    assert.equal((await holders(own.pin.cid)).length, 1)
    assert.equal((await org.get(before.requestid)).info?.replicas, '1')
  })

  test('content stands on as many nodes as the pin that asks for most, and on fewer once that one goes', async () => {
    const org = await world.newOrg('sharing')
    const few = await pinned(api, await post(api, 1))
    const { cid } = few.pin
    const many = await pinned(org, await post(org, 3, cid))
    await heldBy(cid, 3)
    await org.remove(many.requestid)
    await heldBy(cid, 1)
    assert.equal((await api.get(few.requestid)).status, 'pinned')
    const again = await pinned(api, await post(api, 2, cid))
    assert.equal((await holders(cid)).length, 2)
    await api.remove(again.requestid)
    await heldBy(cid, 1)
  })
})
