import { parseId, type NodeId } from '../core/ids.ts'
import { abilities, nodeStates, type Inability, type KuboSign, type NodeState } from '../core/node.ts'

/** A node's report about itself, sent every second. The addresses of its Kubo are not in it: they come from Postgres alone. */
export interface Heartbeat {
  nodeId: NodeId
  name: string
  /** The number of the boot that sent this. Each boot of a node has a higher number than the one before. */
  incarnation: number
  zone: string | null
  capacityBytes: number | null
  usedBytes: number | null
  state: NodeState
  /** How long the node's accepts of the last seconds took, ms; null when there were none. */
  acceptMs: number | null
  /** What the node cannot do now; null when it can work. Left out by older versions, which do not tell. */
  unable?: Inability | null
  /** Missing in heartbeats of older versions. */
  kubo?: KuboSign
}

export function writeHeartbeat(heartbeat: Heartbeat): string {
  // Older versions took addresses from heartbeats and reject a heartbeat without a list of them. An empty list gives them none.
  return JSON.stringify({ v: 1, multiaddrs: [], ...heartbeat })
}

/** Parses a heartbeat; null when `text` is malformed or of an unknown version. */
export function readHeartbeat(text: string): Heartbeat | null {
  try {
    const { v, nodeId, name, incarnation, zone, capacityBytes, usedBytes, state, acceptMs, ...more } = record(
      JSON.parse(text),
    )
    if (v !== 1 || typeof nodeId !== 'string' || typeof name !== 'string') return null
    if (typeof incarnation !== 'number') return null
    const known = nodeStates.find((one) => one === state)
    if (known === undefined) return null
    return {
      nodeId: parseId('nod', nodeId),
      name,
      incarnation,
      zone: typeof zone === 'string' ? zone : null,
      capacityBytes: typeof capacityBytes === 'number' ? capacityBytes : null,
      usedBytes: typeof usedBytes === 'number' ? usedBytes : null,
      state: known,
      acceptMs: typeof acceptMs === 'number' ? acceptMs : null,
      ...inability(more['unable']),
      ...kuboSign(more['kubo']),
    }
  } catch {
    return null
  }
}

/** A newer version may name an ability that this one does not know. Such a node cannot work either. */
function inability(value: unknown): Pick<Heartbeat, 'unable'> {
  if (value === undefined || value === null) return value === null ? { unable: null } : {}
  const { what, forMs, reason } = record(value)
  const known = abilities.find((one) => one === what) ?? 'kubo'
  return {
    unable: {
      what: known,
      forMs: typeof forMs === 'number' ? forMs : 0,
      reason: typeof reason === 'string' ? reason : 'it does not say why',
    },
  }
}

function kuboSign(value: unknown): Pick<Heartbeat, 'kubo'> {
  if (value === undefined) return {}
  const { sinceMs, alone } = record(value)
  return { kubo: { sinceMs: typeof sinceMs === 'number' ? sinceMs : null, alone: alone === true } }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
