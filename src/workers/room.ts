import type { Attempt } from './attempt.ts'

/** This node's room for content. */
export interface Room {
  /** Bytes that Kubo uses; null until it told. */
  usedBytes(): number | null
  /** Bytes up to the high-water mark, 0 above it; null until Kubo told. */
  leftBytes(): number | null
  /** There is another node that could take what finds no room here. */
  elsewhere(): boolean
}

/** What is smaller is let finish above the mark: all that may be under way at a time is little beside a disk. */
const smallBytes = 16 * 1024 * 1024

/** Room without end, for a node whose Kubo tells nothing. */
export const boundless: Room = { usedBytes: () => null, leftBytes: () => null, elsewhere: () => false }

/**
 * Did what `attempt` fetches outgrow this node's room? Kubo counts blocks that were here before as progress too, so the node itself
 * must have grown since the attempt began.
 */
export function outgrew(attempt: Attempt, room: Room): boolean {
  if (attempt.ended || attempt.bytes < smallBytes || room.leftBytes() !== 0) return false
  return (room.usedBytes() ?? 0) - (attempt.usedAtStart ?? 0) >= smallBytes
}
