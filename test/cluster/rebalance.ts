import { strict as assert } from 'node:assert'
import { before, suite, test } from 'node:test'
import type { AdminPlan, PlanMove } from '../../src/http/admin/schema.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { placements, rowsOf } from '../../testing/world/ledger.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

/** A cluster that grew from one node is unbalanced. */
export function rebalance(at: ClusterStage): void {
  suite('rebalance', () => {
    before(async () => {
      await at.world.well()
      await until('every node has reported its size', async () => {
        const { results } = await at.world.admin<{ results: { capacityBytes: number | null }[] }>('nodes')
        return results.every(({ capacityBytes }) => capacityBytes !== null)
      })
    })

    /** The places of all copies that stay, as `CID node`. */
    const where = async (): Promise<Set<string>> =>
      new Set((await placements(at.world)).flatMap(({ cid, n, leaving }) => (leaving ? [] : [`${cid} ${n}`])))

    test('a dry run lists the moves with bytes and reasons, and moves nothing; applying its plan makes exactly those moves', async () => {
      const before_ = await where()
      const { plan, moves } = await at.world.admin<{ plan: AdminPlan; moves: PlanMove[] }>(
        'rebalance',
        '--dry-run',
      )
      assert.ok(moves.length > 10, `${moves.length} moves`)
      assert.equal(moves.length, plan.moves)
      assert.equal(
        moves.reduce((sum, { bytes }) => sum + bytes, 0),
        plan.bytes,
      )
      for (const { bytes, reason } of moves) assert.ok(bytes > 0 && reason.length > 0)
      assert.deepEqual(await where(), before_, 'a dry run moved something')

      const numbers = new Map<string, number>()
      for (const n of at.world.nodes) numbers.set(await at.world.value(`NODE_ID_${n}`), n)
      const wanted = new Set(before_)
      for (const { cid, from, to } of moves) {
        assert.ok(wanted.delete(`${cid} ${numbers.get(from)}`), `${cid} was not on ${from}`)
        wanted.add(`${cid} ${numbers.get(to)}`)
      }
      const pinned = (await (await at.world.api(2)).list({ limit: '1' })).count
      const watching = watchPinned()
      const applied = await at.world.admin<AdminPlan>('rebalance', '--plan', plan.id)
      const least = await watching.stop()
      assert.deepEqual(
        [applied.state, applied.done, applied.skipped],
        ['applied', plan.moves, 0],
        JSON.stringify(applied),
      )
      await checkInvariants(at.world, at.ledger)
      assert.deepEqual(await where(), wanted)
      assert.equal(least, pinned, 'a pin was not pinned for a while')
    })

    test('a second plan finds nothing to move', async () => {
      assert.equal((await at.world.admin<AdminPlan>('rebalance')).moves, 0)
    })

    test('each move is in the audit, once', async () => {
      const rows = await rowsOf<{ action: string; n: number; contents: number }>(
        at.world,
        `select action, count(*)::int as n, count(distinct target)::int as contents from audit_log
         where details ->> 'reason' = 'rebalance' and action like 'placement.%' group by action order by action`,
      )
      assert.deepEqual(
        rows.map(({ action }) => action),
        ['placement.add', 'placement.drop'],
      )
      for (const { n, contents } of rows) assert.equal(n, contents)
      assert.equal(rows[0]?.n, rows[1]?.n)
    })

    /** The smallest number of pins that the API ever listed as `pinned`. */
    function watchPinned(): { stop: () => Promise<number> } {
      let stopped = false
      let least = Infinity
      const run = async (): Promise<number> => {
        const api = await at.world.api(2)
        do least = Math.min(least, (await api.list({ status: 'pinned', limit: '1' })).count)
        while (!stopped)
        return least
      }
      const running = run()
      return {
        stop() {
          stopped = true
          return running
        },
      }
    }
  })
}
