import { idOf, mintId, uuidOf } from '../core/ids.ts'
import type { OrgRemovalStore } from '../core/ports.ts'
import type { Database } from './database.ts'
import { jobOf, type JobRow } from './placements.ts'

/** Content that no other org wants stays pinned for `graceMs`. */
export function orgRemovalStore(db: Database, graceMs: number): OrgRemovalStore {
  return {
    async removeSome(epoch, limit) {
      const [row] = await db.statement.query<{
        step: { org: string; pins: number; removed: boolean; jobs: JobRow[] } | null
      }>('select remove_org($1, $2, $3, $4) as step', [epoch, limit, graceMs, uuidOf(mintId('aud'))])
      if (!row?.step) return null
      const { org, pins, removed, jobs } = row.step
      return { orgId: idOf('org', org), pins, removed, jobs: jobs.map(jobOf) }
    },
  }
}
