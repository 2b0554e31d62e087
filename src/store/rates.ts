import type { RateStore } from '../core/ports.ts'
import type { Database } from './database.ts'

/** A network counts as known for this many days after a person signed in from it. */
const knownDays = 30

/** Single statements, each a transaction of its own: no key stays locked while Postgres waits for this process. */
export function rateStore(db: Database): RateStore {
  const tx = db.statement
  return {
    async count(limits, windowSeconds) {
      const rows = await tx.query<{ counted: number; reset_ms: number }>(
        'select counted, reset_ms from count_request($1, $2, $3)',
        [limits.map(({ key }) => key), limits.map(({ perWindow }) => perWindow), windowSeconds],
      )
      return rows.map(({ counted, reset_ms: resetMs }) => ({ counted, resetMs }))
    },
    async signedInFrom(network) {
      const rows = await tx.query(
        'select from sessions where network = $1 and created_at > now() - make_interval(days => $2) limit 1',
        [network, knownDays],
      )
      return rows.length > 0
    },
  }
}
