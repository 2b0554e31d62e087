import type { Node } from './node.ts'

export interface RoomPolicy {
  /** The share of its capacity, 0 to 1, up to which a node takes content. */
  highWater: number
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
