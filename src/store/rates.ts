import type { RateStore } from '../core/ports.ts'
import type { SystemTx } from './database.ts'

/** One statement, so a transaction of its own: no lock of a key waits for this process. */
export async function countRequest(
  tx: SystemTx,
  limits: Parameters<RateStore['count']>[0],
  windowSeconds: number,
): ReturnType<RateStore['count']> {
  const rows = await tx.query<{ counted: number; reset_ms: number }>(
    'select counted, reset_ms from count_request($1, $2, $3)',
    [limits.map(({ key }) => key), limits.map(({ perWindow }) => perWindow), windowSeconds],
  )
  return rows.map(({ counted, reset_ms: resetMs }) => ({ counted, resetMs }))
}
