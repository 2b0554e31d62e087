import type { Swept, SweepStore } from '../core/ports.ts'
import type { Database, SystemTx } from './database.ts'
import { isSeen } from './node-rows.ts'
import { jobOf, type JobRow } from './placements.ts'

/** Content that no pin wants stays pinned for `graceMs`. No attempt is due further ahead than `longestWaitMs`. */
export function sweepStore(db: Database, graceMs: number, longestWaitMs: number): SweepStore {
  const tx = db.statement
  return {
    requeueExpiredClaims: (epoch, limit) =>
      woken(tx, 'select * from requeue_expired($1, $2)', [epoch, limit]),
    releaseDue: (epoch, limit) => woken(tx, 'select * from release_due($1, $2)', [epoch, limit]),
    releaseHolds: (epoch, limit) =>
      counted(tx, 'select release_holds($1, $2, $3) as done', [epoch, limit, graceMs]),
    finishFolds: (epoch, limit) => counted(tx, 'select continue_folds($1, $2) as done', [epoch, limit]),
    boundTimes: (epoch, limit) =>
      counted(tx, 'select bound_times($1, $2, $3) as done', [epoch, longestWaitMs, limit]),
    async wakePutBy(epoch, limit) {
      const [row] = await tx.query<{ done: { walked: number; jobs: JobRow[] } }>(
        'select wake_put_by($1, $2) as done',
        [epoch, limit],
      )
      return { rows: row?.done.walked ?? 0, jobs: (row?.done.jobs ?? []).map(jobOf) }
    },
    // Nodes that take no hints now are left out: their placements wait longest, and would push out all others.
    async lostHints(overdueMs, limit) {
      const rows = await tx.query<JobRow>(
        `select p.cid, p.node_id, p.generation, p.attempts - p.attempts_before + 1 as attempt,
           case when p.state = 'queued' then p.org_id end as org_id
         from nodes n cross join lateral (
           select q.* from (
             (select * from placements where node_id = n.id and state = 'queued' and not retrying
                and next_attempt_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)
                and not is_claimed(claimed_until) limit $2)
             union all
             (select * from placements where node_id = n.id and state = 'unpinning'
                and next_attempt_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)
                and not is_claimed(claimed_until) limit $2)) q) p
         where n.state = 'active' and n.${isSeen}
         order by p.next_attempt_at limit $2`,
        [overdueMs, limit],
      )
      return rows.map(jobOf)
    },
  }
}

async function woken(tx: SystemTx, sql: string, params: unknown[]): Promise<Swept> {
  const rows = await tx.query<JobRow>(sql, params)
  return { rows: rows.length, jobs: rows.map(jobOf) }
}

async function counted(tx: SystemTx, sql: string, params: unknown[]): Promise<Swept> {
  const [row] = await tx.query<{ done: number }>(sql, params)
  return { rows: row?.done ?? 0, jobs: [] }
}
