import { strict as assert } from 'node:assert'
import { before, suite, test } from 'node:test'
import { refusalOf, type Api, type WireStatus } from '../../testing/clients/api.ts'
import type { ClusterStage } from './stage.ts'

export function copies(at: ClusterStage): void {
  suite('copies on several nodes', () => {
    let api: Api

    before(async () => {
      api = await at.world.newOrg('copied')
    })

    async function post(through: Api, replicas: number | null, cid?: string): Promise<WireStatus> {
      const wanted = cid ?? (await at.offeredCid())
      const meta = replicas === null ? {} : { meta: { 'anchorage.replicas': String(replicas), app: 'test' } }
      return through.post({ cid: wanted, origins: [at.outside.address], ...meta })
    }

    const pinned = (through: Api, { requestid }: WireStatus): Promise<WireStatus> =>
      at.pinned(through, requestid)

    test('an invalid number of replicas is refused with the name of its field, and no pin is made', async () => {
      const cid = await at.offeredCid()
      for (const replicas of ['0', '101', 'many', '1.5']) {
        const body = { cid, meta: { 'anchorage.replicas': replicas } }
        const { details } = refusalOf(await api.send('POST', '/pins', { body }), 400)
        assert.match(details, /meta\.anchorage\.replicas: must be a whole number from 1 to 100/)
      }
      assert.equal((await api.list({ cid, status: 'queued,pinning,pinned,failed' })).count, 0)
    })

    for (const replicas of [2, 3]) {
      test(`a pin with ${replicas} replicas has copies on ${replicas} nodes once its status is pinned, and its deletion unpins them all`, async () => {
        const pin = await pinned(api, await post(api, replicas))
        assert.equal((await at.holders(pin.pin.cid)).length, replicas)
        assert.equal(pin.info?.copies?.split(', ').length, replicas)
        assert.ok(pin.delegates.length >= replicas)
        await api.remove(pin.requestid)
        await at.heldBy(pin.pin.cid, 0)
      })
    }

    test("an org's number of replicas applies to its new pins that name no number themselves", async () => {
      const org = await at.world.newOrg('copies')
      const before = await pinned(org, await post(org, null))
      assert.equal(before.info?.replicas, '1')
      await at.world.anchorage('admin', 'set-org', 'copies', '--replicas', '2')
      const after = await pinned(org, await post(org, null))
      assert.equal((await at.holders(after.pin.cid)).length, 2)
      const own = await pinned(org, await post(org, 1))
      assert.equal((await at.holders(own.pin.cid)).length, 1)
      assert.equal((await org.get(before.requestid)).info?.replicas, '1')
    })

    test('content has as many copies as its most demanding pin asks for, and fewer once that pin is deleted', async () => {
      const org = await at.world.newOrg('sharing')
      const few = await pinned(api, await post(api, 1))
      const { cid } = few.pin
      const many = await pinned(org, await post(org, 3, cid))
      await at.heldBy(cid, 3)
      await org.remove(many.requestid)
      await at.heldBy(cid, 1)
      assert.equal((await api.get(few.requestid)).status, 'pinned')
      const again = await pinned(api, await post(api, 2, cid))
      assert.equal((await at.holders(cid)).length, 2)
      await api.remove(again.requestid)
      await at.heldBy(cid, 1)
    })
  })
}
