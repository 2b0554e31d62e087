import { strict as assert } from 'node:assert'
import { before, suite, test } from 'node:test'
import type { Drain } from '../../src/http/admin/schema.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { placements, rowsOf } from '../../testing/world/ledger.ts'
import { Load } from '../../testing/world/load.ts'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

/** `test/faults/drain-under-load.test.ts` does this with thousands of placements, and nodes that die meanwhile. */
export function drain(at: ClusterStage): void {
  suite('drain', () => {
    before(() => at.world.well())

    test('a drained node holds nothing in the end, each copy is removed only once others are pinned, and no POST fails meanwhile', async () => {
      const held = (await at.placementsOn(1)).length
      assert.ok(held >= 20, `node 1 holds ${held}`)
      const blocks = await at.offered(1_000)
      const apis = await Promise.all([2, 3].map((n) => at.world.api(n)))
      const next = () => ({
        cid: blocks.pop()?.cid ?? assert.fail('the content ran out'),
        origins: [at.outside.address],
      })
      const load = new Load({ perSecond: 5, through: () => apis, next, ledger: at.ledger })
      try {
        const draining = at.world.admin<Drain>('drain', 'dev-1')
        await until('it is out of service', async () => {
          const { http, ...said } = await at.world.ready(1)
          return http === 503 && /draining|drained/.test(JSON.stringify(said))
        })
        const { state, left } = await draining
        assert.deepEqual({ state, left }, { state: 'drained', left: 0 })
      } finally {
        await load.stop()
      }
      assert.deepEqual(load.report.failures, [])
      await checkInvariants(at.world, at.ledger)
      assert.equal((await at.placementsOn(1)).length, 0)
      const pins = await (await at.world.kubo(1)).pins()
      assert.deepEqual([...pins.values()].filter(Boolean), [], 'the drained Kubo still pins')
    })

    test('the audit has each move once, with its reason, and the copy before the drop', async () => {
      const rows = await rowsOf<{ target: string; actions: string[] }>(
        at.world,
        `select target, array_agg(action order by at, id) as actions from audit_log
         where action in ('placement.add', 'placement.drop') and details ->> 'reason' = 'drain' group by target`,
      )
      assert.ok(rows.length >= 20, `${rows.length} contents moved`)
      for (const { target, actions } of rows)
        assert.deepEqual(actions, ['placement.add', 'placement.drop'], target)
    })

    test('a drain waits when there are too few nodes, says so, and keeps the content on the node', async () => {
      // The content is on nodes 2 and 3, the only ones available while node 1 is drained.
      const api = await at.world.api(2)
      const cid = await at.offeredCid()
      const meta = { 'anchorage.replicas': '2' }
      const requestid = await at.ledger.post(api, { cid, origins: [at.outside.address], meta })
      await at.pinned(api, requestid)
      try {
        const why = await until(
          'it says why it waits',
          async () => (await at.world.admin<Drain>('drain', 'dev-2', '--no-wait')).waits,
          { withinMs: patience.longMs, everyMs: 1_000 },
        )
        assert.match(why, /node/)
        assert.equal((await api.get(requestid)).status, 'pinned')
        const held = (await placements(at.world)).filter((placement) => placement.cid === cid)
        assert.deepEqual(new Set(held.map(({ n }) => n)), new Set([2, 3]))
      } finally {
        await at.world.admin('uncordon', 'dev-2')
      }
      await checkInvariants(at.world, at.ledger)
    })

    test('after an uncordon, moved content stays where it is, and the node gets new pins again', async () => {
      const moved = (await placements(at.world)).map(({ cid, n }) => `${cid} ${n}`)
      await at.world.admin('uncordon', 'dev-1')
      await until('it is in service', async () => (await at.world.ready(1)).http === 200)
      await at.post(60, [1])
      await checkInvariants(at.world, at.ledger)
      const now = new Set((await placements(at.world)).map(({ cid, n }) => `${cid} ${n}`))
      for (const placement of moved) assert.ok(now.has(placement), `moved back: ${placement}`)
      assert.ok((await at.placementsOn(1)).length > 0, 'node 1 got none of 60 new pins')
    })
  })
}
