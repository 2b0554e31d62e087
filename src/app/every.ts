import type { Clock } from '../core/ports.ts'

/** Does `work` again and again, `ms` after it ended, until `signal` aborts. What it throws goes to `onError`, and it goes on. */
export async function every(
  ms: number | (() => number),
  work: (signal: AbortSignal) => Promise<unknown>,
  { clock, signal, onError }: { clock: Clock; signal: AbortSignal; onError: (error: unknown) => void },
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
