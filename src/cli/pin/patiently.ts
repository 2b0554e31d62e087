import { setTimeout as sleep } from 'node:timers/promises'
import { type AnchorageError, isCode } from '../../core/errors.ts'

const tries = 10
const firstWaitMs = 500
const longestWaitMs = 30_000

/**
 * Runs `step`, and runs it again while the server that it asks is unreachable, busy or at its limits: ten times at most. It waits as
 * long as the server says, else longer each time. So `step` must be safe to run twice.
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

/** Whether this failure may pass without any action. */
export function passes(error: unknown): error is AnchorageError {
  return isCode(error, 'unavailable', 'too_many', 'internal')
}
