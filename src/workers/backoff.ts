/** The shortest and the longest wait between two attempts. */
export interface BackoffRange {
  minMs: number
  maxMs: number
}

/**
 * How long to wait before attempt `failures + 1`. The wait doubles from `minMs` to `maxMs`, and a random part between half and all of it is
 * used, so that attempts that failed together are not repeated together. `random` is in [0, 1).
 */
export function backoffMs(failures: number, { minMs, maxMs }: BackoffRange, random: number): number {
  const fullMs = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 40))
  return Math.round(fullMs * (0.5 + random / 2))
}
