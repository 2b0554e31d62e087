import type { SystemTx } from './database.ts'

/** Removes plans that were applied or cancelled and made longer ago than `olderThanMs`, at most `limit`, with their moves. */
export async function prunePlans(tx: SystemTx, olderThanMs: number, limit: number): Promise<number> {
  const rows = await tx.query(
    `delete from plans where id in (
       select id from plans where created_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)
         and state in ('applied', 'cancelled') order by created_at, id limit $2) returning id`,
    [olderThanMs, limit],
  )
  return rows.length
}
