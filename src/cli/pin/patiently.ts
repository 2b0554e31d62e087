import { setTimeout as sleep } from 'node:timers/promises'
import { type AnchorageError, isCode } from '../../core/errors.ts'

const tries = 10
const firstWaitMs = 500
const longestWaitMs = 30_000

/**
 * Runs `step` again while what it asks is away, busy or at its limits, ten times at most, for as long as it says or longer and longer.
 * So `step` must be one that may run twice.
 */
export async function patiently<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step()
    } catch (error) {
      if (attempt === tries || !passes(error)) throw error
      const waitMs = Math.min(firstWaitMs * 2 ** (attempt - 1), longestWaitMs)
      await sleep(
        error.retryAfterSeconds === undefined ? waitMs : error.retryAfterSeconds * 1000,
        undefined,
        { signal },
      )
    }
  }
}

/** Is this a failure that may pass by itself? */
export function passes(error: unknown): error is AnchorageError {
  return isCode(error, 'unavailable', 'too_many', 'internal')
}
