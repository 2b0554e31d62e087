import type { RateStore } from '../core/ports.ts'
import type { SystemTx } from './database.ts'

/** A network counts as known for this many days after a person signed in from it. */
const knownDays = 30

/** One statement, which is a transaction of its own: no key stays locked while Postgres waits for this process. */
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

export async function signedInFrom(tx: SystemTx, network: string): Promise<boolean> {
  const rows = await tx.query(
    'select from sessions where network = $1 and created_at > now() - make_interval(days => $2) limit 1',
    [network, knownDays],
  )
  return rows.length > 0
}
