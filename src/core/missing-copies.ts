import type { NodeId } from './ids.ts'
import type { Held } from './measure-ports.ts'

/** Copies that are missing, by why. */
export interface MissingCopies {
  /** They stand on nodes that give no sign, and count until these are given up. */
  nodeDown: number
  /** They are being made anew. */
  repairing: number
  /** Making them anew failed; it is tried elsewhere. */
  failed: number
}

/**
 * Counted from what lies on the nodes. A lost copy is not counted by itself: the copy that replaces it is. A copy that is moved stands
 * until the new one does.
 */
export function missingCopies(held: Omit<Held, 'bytes'>[], silent: ReadonlySet<NodeId>): MissingCopies {
  const anew = held.filter(({ reason }) => reason === 'node_down' || reason === 'repair')
  const onSilent = held.filter(({ nodeId }) => silent.has(nodeId))
  return {
    nodeDown: countOf(onSilent, 'pinned'),
    repairing: countOf(anew, 'queued', 'pinning'),
    failed: countOf(anew, 'failed'),
  }
}

/** How many placements are in one of these states. */
export function countOf(held: Pick<Held, 'state' | 'count'>[], ...states: Held['state'][]): number {
  return held.filter(({ state }) => states.includes(state)).reduce((sum, { count }) => sum + count, 0)
}
