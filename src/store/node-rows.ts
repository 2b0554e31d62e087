import { idOf } from '../core/ids.ts'
import type { Ability, Node, NodeState } from '../core/node.ts'

/** A `last_seen` that is older than this is no sign of life; it is written every 10 s. */
export const freshMs = 15_000

/** A `last_seen` that is further ahead was written while the database's clock was ahead: it is no sign of life either. */
const aheadMs = 5_000

/** True of a row of `nodes` with a recent sign of life. */
export const isSeen = `last_seen between clock_timestamp() - interval '${freshMs} ms' and clock_timestamp() + interval '${aheadMs} ms'`

/** A row of `nodes` as `nodeColumns` reads it. */
export interface NodeRow {
  id: string
  name: string
  zone: string | null
  multiaddrs: string[]
  peer_id: string | null
  capacity_bytes: number | null
  used_bytes: number | null
  state: NodeState
  live: boolean
  silent_ms: number
  unable_what: Ability | 'silent' | null
  unable_reason: string | null
  unable_ms: number | null
  down: boolean
}

export const nodeColumns = `id, name, zone, multiaddrs, peer_id, capacity_bytes, used_bytes, state, down_at is not null as down,
  unable_what, unable_reason, (extract(epoch from clock_timestamp() - unable_since) * 1000)::bigint as unable_ms,
  greatest((extract(epoch from clock_timestamp() - last_seen) * 1000)::bigint, 0) as silent_ms,
  ${isSeen} as live`

export function nodeOf(row: NodeRow): Node {
  return {
    id: idOf('nod', row.id),
    name: row.name,
    zone: row.zone,
    multiaddrs: row.multiaddrs,
    peerId: row.peer_id,
    capacityBytes: row.capacity_bytes,
    usedBytes: row.used_bytes,
    state: row.state,
    live: row.live,
    silentMs: row.silent_ms,
    unable:
      row.unable_what === null || row.unable_what === 'silent'
        ? null
        : { what: row.unable_what, forMs: row.unable_ms ?? 0, reason: row.unable_reason ?? '' },
    down: row.down,
  }
}
