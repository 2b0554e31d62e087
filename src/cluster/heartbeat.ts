import { parseId, type NodeId } from '../core/ids.ts'
import { nodeStates, type NodeState } from '../core/node.ts'

/** What a node tells of itself every second: that it lives, and how. Where its Kubo is reached only Postgres says. */
export interface Heartbeat {
  nodeId: NodeId
  name: string
  /** Which boot of the node speaks. */
  incarnation: number
  zone: string | null
  capacityBytes: number | null
  usedBytes: number | null
  state: NodeState
  /** What its accepts of the last seconds took, ms; null without any. */
  acceptMs: number | null
}

export function writeHeartbeat(heartbeat: Heartbeat): string {
  // Nodes of versions that took addresses from here read no heartbeat without a list of them, and an empty one tells them none.
  return JSON.stringify({ v: 1, multiaddrs: [], ...heartbeat })
}

/** The heartbeat that `text` spells; null when it is garbage or of a version that we do not know. */
export function readHeartbeat(text: string): Heartbeat | null {
  try {
    const { v, nodeId, name, incarnation, zone, capacityBytes, usedBytes, state, acceptMs } = record(text)
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
    }
  } catch {
    return null
  }
}

function record(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
