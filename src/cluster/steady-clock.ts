import { setTimeout as delay } from 'node:timers/promises'

/** A monotonic clock that cannot be set. It is injected so that tests need not sleep. */
export interface SteadyClock {
  /** Milliseconds since an arbitrary moment. */
  steadyMs(): number
  /** Resolves after `ms`, or rejects at once when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** The machine's own clock. It stops while the machine sleeps; writes that must be safe even then are fenced in Postgres. */
export const steadyClock: SteadyClock = {
  steadyMs: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
}
