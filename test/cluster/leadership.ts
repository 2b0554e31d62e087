import { strict as assert } from 'node:assert'
import { before, suite, test } from 'node:test'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { leadership } from '../../testing/world/leader.ts'
import { rowsOf } from '../../testing/world/ledger.ts'
import type { ClusterStage } from './stage.ts'

/**
 * `src/cluster/lease.test.ts` shows on a fake clock how soon another node leads, and `src/store/cluster.pg.test.ts` that an old leader
 * changes nothing. `test/faults` kills, pauses and cuts off servers.
 */
export function leadershipMoves(at: ClusterStage): void {
  suite('a change of the leader', () => {
    before(() => at.world.well())

    for (const signal of ['SIGTERM', 'SIGKILL'] as const)
      test(`after ${signal}, a node leads under a later epoch, the other nodes keep serving, and the old leader comes back`, async () => {
        const old = await leadership(at.world)
        const others = at.world.nodes.filter((n) => n !== old.n)
        const pid = await at.world.signal('node', signal, old.n)
        await at.post(10, others)
        const next = await leadership(at.world, old)
        assert.ok(next.epoch > old.epoch)
        await at.world.restarted('node', pid, old.n)
        await at.world.well()
        await checkInvariants(at.world, at.ledger)
      })

    test('when Postgres has a later epoch that no node leads under, the leader gives up, and a node leads under a still later one', async () => {
      const old = await leadership(at.world)
      // The state after a contender took an epoch and lost the lease before it led.
      await rowsOf(at.world, 'update cluster set epoch = epoch + 1')
      const next = await leadership(at.world, old)
      assert.ok(next.epoch > old.epoch + 1)
      await at.post(10, at.world.nodes)
      await checkInvariants(at.world, at.ledger)
    })
  })
}
