import { readCollected } from './kubo-answers.ts'
import type { Rpc } from './rpc.ts'

/**
 * Runs Kubo's `repo/gc`: it marks the blocks that pins (of any name) and the files API hold, removes all others, and reports each block. It
 * waits for running pins and then makes new ones wait until it is done. An abort ends it between two blocks. A block that cannot be removed
 * does not end it.
 */
export async function collectGarbage(
  rpc: Rpc,
  signal: AbortSignal,
): Promise<{ removed: number; failed: number }> {
  const counts = { removed: 0, failed: 0 }
  // Kubo sends nothing while it marks, and that takes minutes in a large repository.
  for await (const line of rpc.stream('repo/gc?stream-errors=true', signal, { patient: true })) {
    counts[readCollected(line)]++
  }
  return counts
}
