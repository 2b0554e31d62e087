/** The shortest and the longest wait between two tries. */
export interface BackoffRange {
  minMs: number
  maxMs: number
}

/**
 * How long to wait before try `failures + 1`: doubling from `minMs` to `maxMs`, of which between half and all, so that what failed
 * together does not come back together. `random` is in [0, 1).
 */
export function backoffMs(failures: number, { minMs, maxMs }: BackoffRange, random: number): number {
  const fullMs = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 40))
  return Math.round(fullMs * (0.5 + random / 2))
}
