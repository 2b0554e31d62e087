import type { NodeId } from './ids.ts'
import type { Held } from './measures.ts'

/** How many copies are missing, by reason. */
export interface MissingCopies {
  /** Pinned on silent nodes. They still count until those nodes are declared down. */
  nodeDown: number
  /** Being made again. */
  repairing: number
  /** Could not be made again; another node is tried. */
  failed: number
}

/**
 * Counted from the placements on the nodes. A lost copy is not counted itself, but the copy that replaces it is. A copy that moves stays
 * pinned until the new one is.
 */
export function missingCopies(held: Omit<Held, 'bytes'>[], away: ReadonlySet<NodeId>): MissingCopies {
  const replaced = held.filter(({ reason }) => reason === 'node_down' || reason === 'repair')
  const onAway = held.filter(({ nodeId }) => away.has(nodeId))
  return {
    nodeDown: countOf(onAway, 'pinned'),
    repairing: countOf(replaced, 'queued', 'pinning'),
    failed: countOf(replaced, 'failed'),
  }
}

/** How many placements are in one of these states. */
export function countOf(held: Pick<Held, 'state' | 'count'>[], ...states: Held['state'][]): number {
  return held.filter(({ state }) => states.includes(state)).reduce((sum, { count }) => sum + count, 0)
}
