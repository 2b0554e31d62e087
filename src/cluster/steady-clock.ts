import { setTimeout as delay } from 'node:timers/promises'

/** A clock that only goes forward and that nobody sets; injected so that tests need not sleep. */
export interface SteadyClock {
  /** Milliseconds since some moment. */
  steadyMs(): number
  /** Resolves after `ms`, or rejects at once when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** The machine's own. It stands still while a machine sleeps; what must hold even then is fenced in Postgres. */
export const steadyClock: SteadyClock = {
  steadyMs: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
}
