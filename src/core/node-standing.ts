import type { Node } from './node.ts'

/**
 * How far a node's copies can be relied on. `good`: it is live. `blinking`: it is silent, but only briefly, so its copies still count.
 * `down`: it is silent for longer than the grace. `draining`: it gives up its content or has given it up, whether it is live or not.
 */
export type NodeStanding = 'good' | 'blinking' | 'down' | 'draining'

export interface DownPolicy {
  /** How long a silent node's copies still count, ms. */
  downGraceMs: number
}

export interface RoomPolicy {
  /** The share of its capacity, 0 to 1, up to which a node takes content. */
  highWater: number
}

export function nodeStanding(node: Node, policy: DownPolicy): NodeStanding {
  if (node.state !== 'active') return 'draining'
  if (node.live) return 'good'
  return isDown(node, policy) ? 'down' : 'blinking'
}

/** Whether the node is declared down, draining or not. Its copies are lost until it gives a sign again. */
export function isDown(node: Node, { downGraceMs }: DownPolicy): boolean {
  return !node.live && node.silentMs > downGraceMs
}

/** Whether the node stays below its high water with `bytes` more (0: unknown). */
export function hasRoom(node: Node, bytes: number, policy: RoomPolicy): boolean {
  return freeBytes(node, policy) >= Math.max(bytes, 1)
}

/** The free bytes up to the high water. */
export function freeBytes(node: Node, { highWater }: RoomPolicy): number {
  return Math.max(capacityOf(node) * highWater - (node.usedBytes ?? 0), 0)
}

/** A node that has not reported its size yet counts as having 1 TiB. */
export function capacityOf({ capacityBytes }: Node): number {
  return capacityBytes ?? 2 ** 40
}
