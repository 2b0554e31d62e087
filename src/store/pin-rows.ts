import { idOf, type NodeId } from '../core/ids.ts'
import type { Pin, PinStatus } from '../core/pin.ts'
import { fromText, mapMeta } from './text.ts'

/** A row of `pins` as an org reads it, by way of JSON. */
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

/** A row of `pin_details`: one placement of a content; likewise. */
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
}

/** The addresses that a node's Kubo can be dialled at. */
export type Addresses = (nodeId: NodeId) => readonly string[]

/** `row` and what its content's placements say, as the API shows a pin. */
export function pinOf(row: PinRow, placements: DetailRow[], addresses: Addresses): Pin {
  return {
    id: idOf('pin', row.id),
    status: row.status,
    created: new Date(row.created),
    cid: row.cid_text ?? row.cid,
    ...(row.name === null ? {} : { name: fromText(row.name) }),
    ...(row.meta === null ? {} : { meta: mapMeta(row.meta, fromText) }),
    ...(row.origins === null ? {} : { origins: row.origins }),
    delegates: delegatesOf(
      placements.flatMap((p) => (p.node_id === null ? [] : [idOf('nod', p.node_id)])),
      addresses,
    ),
    info: infoOf(row, placements),
  }
}

/** 1 to 20 unique addresses; the spec allows neither none nor more. */
export function delegatesOf(nodes: NodeId[], addresses: Addresses): string[] {
  return [...new Set(nodes.flatMap((node) => [...addresses(node)]))].slice(0, 20)
}

function infoOf(row: PinRow, placements: DetailRow[]): Record<string, string> {
  const info: Record<string, string> = { status_details: details(row, placements) }
  const size = placements[0]?.dag_size
  if (row.status === 'pinned') {
    if (size) info.dag_size = String(size)
    return info
  }
  const attempts = sum(placements, 'attempts') - row.attempts_before
  if (attempts > 0) info.attempts = String(attempts)
  const trouble = placements.find((p) => p.error_code !== null)
  const code = row.error_code ?? trouble?.error_code
  if (code) info.error_code = code
  if (row.status === 'queued' && trouble?.next_attempt_at)
    info.next_retry = new Date(trouble.next_attempt_at).toISOString()
  if (row.status === 'pinning') {
    info.blocks = String(sum(placements, 'blocks'))
    info.bytes = String(sum(placements, 'bytes'))
  }
  return info
}

function details(row: PinRow, placements: DetailRow[]): string {
  const trouble = placements.find((p) => p.error !== null)?.error
  const pinned = placements.filter((p) => p.state === 'pinned').length
  switch (row.status) {
    case 'pinned':
      return `pinned on ${pinned} ${pinned === 1 ? 'node' : 'nodes'}`
    case 'pinning':
      return `fetching: ${sum(placements, 'blocks')} blocks, ${sum(placements, 'bytes')} bytes so far`
    case 'failed':
      return trouble ?? 'this pin was refused'
    case 'queued':
      return trouble ? `waiting to try again: ${trouble}` : 'waiting for a node to take it up'
    default:
      return row.status satisfies never
  }
}

function sum(placements: DetailRow[], field: 'attempts' | 'blocks' | 'bytes'): number {
  return placements.reduce((total, p) => total + (p[field] ?? 0), 0)
}
