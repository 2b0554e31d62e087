import type { NodeId } from './ids.ts'
import type { PinErrorCode } from './pin.ts'
import type { PlacementReason, PlacementState } from './placement.ts'

/** One placement as repair sees it. */
export interface Copy {
  nodeId: NodeId
  generation: number
  state: PlacementState
  errorCode: PinErrorCode | null
  /** Its node was declared down. The copy does not count until that node is back. */
  lost: boolean
  /** Given up on purpose, by a move of a plan. It serves as a source, does not count, and is dropped once the wanted copies are pinned. */
  leaving: boolean
}

/** One content with all its placements. */
export interface ContentCopies {
  cid: string
  /** How many copies its pins want; 0 when it has no pins. */
  wanted: number
  /** Bytes; null until it is pinned for the first time. */
  dagSize: number | null
  copies: Copy[]
}

/** Why a copy is dropped, for the audit. */
export type DropReason = 'drain' | 'rebalance' | 'surplus' | 'node_full' | 'node_down'

/**
 * What to change for one content, decided from `seen`. It is applied only if the same copies are found under the lock; otherwise nothing
 * changes.
 */
export interface Repair {
  cid: string
  /** The copies that the decision is based on: node, generation and state. */
  seen: Pick<Copy, 'nodeId' | 'generation' | 'state'>[]
  add: { nodeId: NodeId; reason: PlacementReason }[]
  /** To be unpinned. */
  drop: { nodeId: NodeId; reason: DropReason }[]
  /** Copies that no longer count, because their nodes are down. */
  lose: NodeId[]
  /** Copies that count again, because their nodes are back. */
  find: NodeId[]
  /** Nothing more is to be done now. When false, the next run looks at the content again. */
  settled: boolean
}
