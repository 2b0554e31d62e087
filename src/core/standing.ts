import type { Node } from './node.ts'

/**
 * What a node is worth to its copies: `good` lives; `blinking` is silent, though not yet for long, and its copies still count;
 * `down` is silent for longer than the grace; `draining` gives up its content, or has, whether it lives or not.
 */
export type Standing = 'good' | 'blinking' | 'down' | 'draining'

export interface DownPolicy {
  /** How long a silent node's copies still count, ms. */
  downGraceMs: number
}

export interface RoomPolicy {
  /** The share of its capacity, 0 to 1, up to which a node takes content. */
  highWater: number
}

export function standingOf(node: Node, policy: DownPolicy): Standing {
  if (node.state !== 'active') return 'draining'
  if (node.live) return 'good'
  return isDown(node, policy) ? 'down' : 'blinking'
}

/** Is the node given up for down? Draining or not: its copies are lost until a sign of it is seen again. */
export function isDown(node: Node, { downGraceMs }: DownPolicy): boolean {
  return !node.live && node.silentMs > downGraceMs
}

/** Would `bytes` more (0: not known) keep the node below its high water? */
export function hasRoom(node: Node, bytes: number, policy: RoomPolicy): boolean {
  return freeBytes(node, policy) >= Math.max(bytes, 1)
}

/** Up to the high water. */
export function freeBytes(node: Node, { highWater }: RoomPolicy): number {
  return Math.max(capacityOf(node) * highWater - (node.usedBytes ?? 0), 0)
}

/** Nodes that have not told their size yet count as having 1 TiB. */
export function capacityOf({ capacityBytes }: Node): number {
  return capacityBytes ?? 2 ** 40
}
