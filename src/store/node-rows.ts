import { idOf } from '../core/ids.ts'
import type { Node, NodeState } from '../core/node.ts'

/** A `last_seen` that is older than this is no sign of life; it is written every 10 s. */
export const freshMs = 15_000

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
}

export const nodeColumns = `id, name, zone, multiaddrs, peer_id, capacity_bytes, used_bytes, state,
  (extract(epoch from clock_timestamp() - last_seen) * 1000)::bigint as silent_ms,
  last_seen > clock_timestamp() - make_interval(secs => ${freshMs} / 1000.0) as live`

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
  }
}
