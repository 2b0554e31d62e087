import { strict as assert } from 'node:assert'
import { before, suite, test } from 'node:test'
import type { Drain, MaintenanceStatus as Maintenance } from '../../src/http/admin/schema.ts'
import { checkInvariants } from '../../testing/world/invariants.ts'
import { rowsOf } from '../../testing/world/ledger.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

/** `test/faults/maintenance.test.ts` shows that it lasts while nodes are restarted, and survives the loss of JetStream. */
export function maintenance(at: ClusterStage): void {
  suite('maintenance', () => {
    before(() => at.world.well())

    const status = (): Promise<Maintenance> => at.world.admin<Maintenance>('maintenance', 'status')

    test('while it is on, a drain moves nothing and says why, and pins are accepted; once it is off, the drain continues', async () => {
      await at.world.admin('maintenance', 'on', '--reason', 'new disks')
      try {
        const held = (await at.placementsOn(3)).length
        assert.ok(held > 0)
        const begun = await at.world.admin<Drain>('drain', 'dev-3', '--no-wait')
        assert.match(begun.waits ?? '', /maintenance is on \(new disks\)/)
        await at.post(10, [1])
        const { on, reason } = await status()
        assert.deepEqual({ on, reason }, { on: true, reason: 'new disks' })
        await checkInvariants(at.world, at.ledger)
        assert.equal((await at.placementsOn(3)).length, held)
      } finally {
        await at.world.admin('maintenance', 'off')
      }
      assert.equal((await at.world.admin<Drain>('drain', 'dev-3')).state, 'drained')
      await at.world.admin('uncordon', 'dev-3')
      await checkInvariants(at.world, at.ledger)
    })

    test('with --ttl it ends automatically, and the audit says so', async () => {
      const on = await at.world.admin<Maintenance>('maintenance', 'on', '--reason', 'short', '--ttl', '3s')
      assert.ok(on.until !== null)
      await until('it is over', async () => !(await status()).on)
      const ended = async (): Promise<boolean> => {
        const last = await rowsOf<{ action: string }>(
          at.world,
          `select action from audit_log where action like 'maintenance.%' order by at desc, id desc limit 1`,
        )
        return last[0]?.action === 'maintenance.end'
      }
      await until('the audit says so', ended)
    })
  })
}
