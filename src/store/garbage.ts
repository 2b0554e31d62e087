import { uuidOf } from '../core/ids.ts'
import type { GarbageStore } from '../core/ports.ts'
import type { Database } from './database.ts'

export function garbageStore(db: Database): GarbageStore {
  const tx = db.statement
  return {
    async hasHalfFetched({ nodeId }) {
      const rows = await tx.query(
        `select from placements where node_id = $1 and state = 'queued' and blocks > 0
           and error_code is distinct from 'node_full' limit 1`,
        [uuidOf(nodeId)],
      )
      return rows.length > 0
    },
    async takeTurn({ nodeId }, forMs) {
      const rows = await tx.query(
        `update garbage_turn set node_id = $1, until = clock_timestamp() + make_interval(secs => $2 / 1000.0)
         where node_id is null or node_id = $1 or until < clock_timestamp() returning node_id`,
        [uuidOf(nodeId), forMs],
      )
      return rows.length > 0
    },
    async endTurn({ nodeId }) {
      await tx.query('update garbage_turn set node_id = null, until = null where node_id = $1', [
        uuidOf(nodeId),
      ])
    },
  }
}
