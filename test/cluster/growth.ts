import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { placements } from '../../testing/world/ledger.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

/** Large enough that moves by bytes match moves by number. */
const size = 8 * 1024

export function growth(at: ClusterStage): void {
  suite('growth from one node to three', () => {
    test('a pin that wants two copies is pinned on the only node, and says that a copy is missing', async () => {
      const api = await at.world.api()
      const pin = {
        cid: await at.offeredCid(),
        origins: [at.outside.address],
        meta: { 'anchorage.replicas': '2' },
      }
      const early = await api.post(pin)
      at.ledger.promised.set(early.requestid, pin.cid)
      assert.match(early.info?.status_details ?? '', /1 copy waits for a node that has room/)
      assert.equal(early.pin.meta?.['anchorage.replicas'], '2')
      const now = await until('it is pinned', async () => {
        const seen = await api.get(early.requestid)
        return seen.status === 'pinned' && seen
      })
      assert.match(now.info?.copies ?? '', / pinned$/)
      assert.equal(now.info?.replicas, '2')
      assert.equal(now.info?.status_details, 'pinned on 1 of 2 nodes; 1 copy waits for a node that has room')
    })

    test('no pin is lost, whether it was pinned or queued; streams are rebuilt, and no content is moved', async () => {
      // The world stops while most pins wait.
      await at.post(90, [1], size)
      await at.world.stop()
      await at.world.startAgain({ nodes: 3 })
      await at.world.well()
      await checkInvariants(at.world, at.ledger)
      const single = (await placements(at.world)).filter(({ wanted }) => wanted === 1)
      assert.deepEqual(new Set(single.map(({ n }) => n)), new Set([1]))
    })

    test('the pin that waited for a second copy has it', async () => {
      const [double, ...more] = (await (await at.world.api()).list({ limit: '1000' })).results.filter(
        ({ info }) => info?.replicas === '2',
      )
      assert.deepEqual(more, [])
      assert.ok(double)
      assert.equal(double.info?.status_details, 'pinned on 2 nodes')
      const holders = await at.holders(double.pin.cid)
      assert.equal(holders.length, 2)
      assert.equal(double.info?.copies, holders.map((n) => `dev-${n} pinned`).join(', '))
    })

    test('all three take pins, and new content is spread over them', async () => {
      const before = await Promise.all([2, 3].map((n) => at.placementsOn(n)))
      await at.post(90, at.world.nodes, size)
      await checkInvariants(at.world, at.ledger)
      for (const [index, n] of [2, 3].entries()) {
        const gained = (await at.placementsOn(n)).length - (before[index]?.length ?? 0)
        assert.ok(gained >= 5, `node ${n} got ${gained} of 90`)
      }
    })
  })
}
