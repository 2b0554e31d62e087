import type { Epoch } from '../core/epoch.ts'
import type { Maintenance } from '../core/maintenance.ts'
import { audit } from './audit.ts'
import type { SystemTx } from './database.ts'

interface MaintenanceRow {
  reason: string | null
  actor: string
  since: Date
  until: Date | null
}

const columns =
  'maintenance_reason as reason, maintenance_actor as actor, maintenance_since as since, maintenance_until as until'

/** Null while maintenance is off. Maintenance whose time is over stays on until it is ended. */
export async function readMaintenance(tx: SystemTx): Promise<Maintenance | null> {
  const [row] = await tx.query<MaintenanceRow>(`select ${columns} from cluster`)
  return maintenanceOf(row)
}

/** Waits for the leader's transactions under way; none begins after its commit. `ttlMs` counts by the database's clock. */
export async function setMaintenance(
  tx: SystemTx,
  on: { reason: string; ttlMs: number | null } | null,
  actor: string,
): Promise<Maintenance | null> {
  if (on === null) {
    const ended = await tx.query(`${off} where maintenance_reason is not null returning epoch`)
    if (ended.length > 0) await audit(tx, { actor, action: 'maintenance.off', target: 'cluster' })
    return null
  }
  const [row] = await tx.query<MaintenanceRow>(
    `update cluster set maintenance_reason = $1, maintenance_actor = $2, maintenance_since = clock_timestamp(),
       maintenance_until = clock_timestamp() + make_interval(secs => $3 / 1000.0) returning ${columns}`,
    [on.reason, actor, on.ttlMs],
  )
  await audit(tx, { actor, action: 'maintenance.on', target: 'cluster', details: on })
  return maintenanceOf(row)
}

/** Ends maintenance whose time is over; true when this call ended it. */
export async function endMaintenance(tx: SystemTx, epoch: Epoch): Promise<boolean> {
  await tx.query('select assert_epoch($1)', [epoch])
  const ended = await tx.query(`${off} where maintenance_until <= clock_timestamp() returning epoch`)
  if (ended.length > 0) await audit(tx, { actor: 'watchdog', action: 'maintenance.end', target: 'cluster' })
  return ended.length > 0
}

const off = `update cluster set maintenance_reason = null, maintenance_actor = null, maintenance_since = null, maintenance_until = null`

function maintenanceOf(row: MaintenanceRow | undefined): Maintenance | null {
  if (row === undefined || row.reason === null) return null
  return { reason: row.reason, actor: row.actor, since: row.since, until: row.until }
}
