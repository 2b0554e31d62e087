import type { Clock } from './ports.ts'

/** So many accepts at once are a crowd. */
const crowd = 8
/** A crowd comes and goes in waves, a batch at a time; between two of them it has not left. */
const lingerMs = 100

/** How hard the API is pressed by accepts: while it is, work that can wait takes less of the machine. */
export interface Pressure {
  /** `work`, counted while it is under way. */
  during<T>(work: Promise<T>): Promise<T>
  /** True while a crowd is being accepted, or was a moment ago. */
  high(): boolean
}

export function pressure(clock: Pick<Clock, 'now'>): Pressure {
  let under = 0
  let crowdedAtMs = -Infinity
  return {
    async during(work) {
      under++
      if (under >= crowd) crowdedAtMs = clock.now()
      try {
        return await work
      } finally {
        under--
      }
    },
    high: () => clock.now() - crowdedAtMs < lingerMs,
  }
}
