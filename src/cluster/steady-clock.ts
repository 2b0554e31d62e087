import { setTimeout as delay } from 'node:timers/promises'
import type { SteadyClock } from '../core/ports.ts'

export type { SteadyClock }

/** The machine's own clock. It stops while the machine sleeps; writes that must be safe even then are fenced in Postgres. */
export const steadyClock: SteadyClock = {
  steadyMs: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
}
