import type { Node } from './node.ts'

/** The placements that a node still has. `left` is the sum of the other three counts. */
export interface DrainProgress {
  left: number
  /** Another copy of these is under way. */
  moving: number
  /** The leader has not looked at these yet, or there is no other node for them. */
  waiting: number
  /** The node is unpinning these. */
  removing: number
  bytesLeft: number
}

/** The progress of a node's drain. */
export interface DrainView extends DrainProgress {
  node: Node
  /** Why the drain does not continue by itself, in words. Null while it continues, and when there is no drain. */
  waits: string | null
}

/** A node that gives up its content. */
export interface NodeDrain {
  node: Node
  left: number
  bytesLeft: number
  waits: string | null
}
