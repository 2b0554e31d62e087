import type { Attempt } from './attempt.ts'

/** This node's room for content. */
export interface Room {
  /** Bytes that Kubo uses; null until Kubo has reported them. */
  usedBytes(): number | null
  /** Bytes up to the high-water mark, 0 above it; null until Kubo has reported its use. */
  leftBytes(): number | null
  /** True when another node could take content for which there is no room here. */
  elsewhere(): boolean
}

/** Content smaller than this may finish above the mark: all that may be under way at a time is little compared to a disk. */
const smallBytes = 16 * 1024 * 1024

/** Unlimited room, when Kubo's use is not known. */
export const boundless: Room = { usedBytes: () => null, leftBytes: () => null, elsewhere: () => false }

/**
 * True when the content that `attempt` fetches has outgrown this node's room. Kubo counts blocks that it had before as progress too, so
 * Kubo's use must have grown as well since the attempt began.
 */
export function outgrew(attempt: Attempt, room: Room): boolean {
  if (attempt.ended || attempt.bytes < smallBytes || room.leftBytes() !== 0) return false
  return (room.usedBytes() ?? 0) - (attempt.usedAtStart ?? 0) >= smallBytes
}
