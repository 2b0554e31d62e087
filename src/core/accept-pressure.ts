import type { SteadyClock } from './ports.ts'

/** This many accepts at a time are a crowd. */
const crowd = 8
/** A crowd comes in waves, one batch at a time. Between two waves it still counts as a crowd. */
const lingerMs = 100
/** Accepts older than this are ignored. */
const recentMs = 3_000
/** The most accepts that are remembered. */
const remembered = 512

/** How much load accepts put on the API. While it is high, work that can wait uses less of the machine. */
export interface Pressure {
  /** Awaits `work`, and counts and times it while it is under way. */
  during<T>(work: Promise<T>): Promise<T>
  /** True while a crowd is being accepted, or was a moment ago. */
  high(): boolean
  /** The time within which nine of ten accepts of the last seconds finished, ms; null when there were none. */
  acceptMs(): number | null
}

export function pressure(clock: Pick<SteadyClock, 'steadyMs'>): Pressure {
  let under = 0
  let crowdedAtMs = -Infinity
  let done: { atMs: number; tookMs: number }[] = []
  return {
    async during(work) {
      const startMs = clock.steadyMs()
      under++
      if (under >= crowd) crowdedAtMs = startMs
      try {
        return await work
      } finally {
        under--
        const atMs = clock.steadyMs()
        done.push({ atMs, tookMs: atMs - startMs })
        if (done.length > 2 * remembered) done = done.slice(-remembered)
      }
    },
    high: () => clock.steadyMs() - crowdedAtMs < lingerMs,
    acceptMs() {
      const sinceMs = clock.steadyMs() - recentMs
      done = done.filter(({ atMs }) => atMs > sinceMs)
      const times = done.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
      return times[Math.floor(times.length * 0.9)] ?? null
    },
  }
}
