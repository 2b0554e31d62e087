import { AnchorageError } from '../core/errors.ts'
import { epochOf } from '../core/epoch.ts'
import type { EpochStore } from '../core/ports.ts'
import type { Database } from './database.ts'

/** The epochs of leaders. `assert_epoch.sql` holds their writes against the present one. */
export function epochStore({ statement }: Pick<Database, 'statement'>): EpochStore {
  return {
    async present() {
      const [row] = await statement.query<{ fence: string }>('select fence from cluster')
      if (!row) throw new AnchorageError('internal', 'the cluster row is missing')
      return epochOf(row.fence)
    },
    async take(seen, termId) {
      const [row] = await statement.query<{ fence: string }>(
        `update cluster set epoch = epoch + 1, term = concat(epoch + 1, ':', $2::text) where fence = $1 returning fence`,
        [seen, termId],
      )
      return row === undefined ? null : epochOf(row.fence)
    },
  }
}
