import type { Clock } from './ports.ts'

/** So many accepts at once are a crowd. */
const crowd = 8
/** A crowd comes and goes in waves, a batch at a time; between two of them it has not left. */
const lingerMs = 100
/** Accepts older than this say nothing about now. */
const recentMs = 3_000
/** No more of them are remembered. */
const remembered = 512

/** How hard the API is pressed by accepts: while it is, work that can wait takes less of the machine. */
export interface Pressure {
  /** `work`, counted and timed while it is under way. */
  during<T>(work: Promise<T>): Promise<T>
  /** True while a crowd is being accepted, or was a moment ago. */
  high(): boolean
  /** What nine of ten accepts of the last seconds took no longer than, ms; null when there were none. */
  acceptMs(): number | null
}

export function pressure(clock: Pick<Clock, 'now'>): Pressure {
  let under = 0
  let crowdedAtMs = -Infinity
  let done: { atMs: number; tookMs: number }[] = []
  return {
    async during(work) {
      const startMs = clock.now()
      under++
      if (under >= crowd) crowdedAtMs = startMs
      try {
        return await work
      } finally {
        under--
        const atMs = clock.now()
        done.push({ atMs, tookMs: atMs - startMs })
        if (done.length > 2 * remembered) done = done.slice(-remembered)
      }
    },
    high: () => clock.now() - crowdedAtMs < lingerMs,
    acceptMs() {
      const sinceMs = clock.now() - recentMs
      done = done.filter(({ atMs }) => atMs > sinceMs)
      const times = done.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
      return times[Math.floor(times.length * 0.9)] ?? null
    },
  }
}
