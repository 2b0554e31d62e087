import { readCollected } from './kubo-answers.ts'
import type { Rpc } from './rpc.ts'

/**
 * Kubo's `repo/gc`: it marks what pins (of whatever name) and the files API hold, and removes the rest, telling of each block. It waits for the
 * pins under way and then keeps new ones waiting until it is done; an abort ends it between two blocks. A block that cannot be
 * removed does not end it.
 */
export async function collectGarbage(
  rpc: Rpc,
  signal: AbortSignal,
): Promise<{ removed: number; failed: number }> {
  const counts = { removed: 0, failed: 0 }
  // While it marks it says nothing, and a large repository takes it minutes.
  for await (const line of rpc.stream('repo/gc?stream-errors=true', signal, { patient: true })) {
    counts[readCollected(line)]++
  }
  return counts
}
