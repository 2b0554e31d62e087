import type { SteadyClock } from '../core/ports.ts'

/** Repeats `work`, with a pause of `ms` after each run, until `signal` aborts. An error goes to `onError` and does not end the loop. */
export async function every(
  ms: number | (() => number),
  work: (signal: AbortSignal) => Promise<unknown>,
  { clock, signal, onError }: { clock: SteadyClock; signal: AbortSignal; onError: (error: unknown) => void },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await work(signal)
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
    await clock.sleep(typeof ms === 'number' ? ms : ms(), signal).catch(() => {})
  }
}
