import { setTimeout as sleep } from 'node:timers/promises'
import { patience } from './patience.ts'

/** How long to wait (one of `patience`) and how often to check, ms. */
export interface Patience {
  withinMs?: number
  everyMs?: number
}

/**
 * Calls `look` until it returns something other than `undefined`, `false` or null, and returns that; an exception counts as "not yet".
 * Rejects after the deadline with `what` and the last failure, so that a failed test says what it was waiting for.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  { withinMs = patience.usualMs, everyMs = 50 }: Patience = {},
): Promise<T> {
  const deadline = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const seen = await look()
      if (seen !== undefined && seen !== null && seen !== false) return seen
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last })
    await sleep(everyMs)
  }
}

/** Runs `work` over `items`, at most `inFlight` at a time, and returns the results in input order. */
export async function eachInFlight<T, R>(
  items: readonly T[],
  inFlight: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const todo = items.entries()
  const lane = async (): Promise<void> => {
    for (const [index, item] of todo) results[index] = await work(item, index)
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  return results
}
