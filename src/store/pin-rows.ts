import type { NodeId } from '../core/ids.ts'
import type { PinStatus } from '../core/pin.ts'

/** A row of `pins` as an org reads it, parsed from JSON. */
export interface PinRow {
  id: string
  cid: string
  cid_text: string | null
  name: string | null
  meta: Record<string, string> | null
  origins: string[] | null
  replicas: number
  status: PinStatus
  error_code: string | null
  attempts_before: number
  created: string
}

export const pinColumns =
  'id, cid, cid_text, name, meta, origins, replicas, status, error_code, attempts_before, created'

/** A row of `pin_details`, also parsed from JSON: one placement of a content. */
export interface DetailRow {
  cid: string
  dag_size: number | null
  node_id: string | null
  state: string | null
  attempts: number | null
  error_code: string | null
  error: string | null
  next_attempt_at: string | null
  blocks: number | null
  bytes: number | null
  lost: boolean | null
  leaving: boolean | null
}

/** What is known of the nodes without asking Postgres. */
export interface KnownNodes {
  /** The addresses at which the node's Kubo can be dialled. */
  addresses(nodeId: NodeId): readonly string[]
  name(nodeId: NodeId): string
  /** False for a node that cannot serve its content now; true for an unknown one. */
  works(nodeId: NodeId): boolean
  /** Whether the node's Kubo says that it is connected to no other node's. */
  alone(nodeId: NodeId): boolean
  /** The addresses to which content can be brought that has no node yet; at least one. */
  anyAddresses(): readonly string[]
}
