import { LRUCache } from 'lru-cache'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** All limits are per minute, counted from the first request. */
export const windowSeconds = 60
/** Of so many keys the counts are kept; those asked about longest ago are forgotten, so that strangers cannot fill the memory. */
const maxKeys = 20_000

/** So many requests a minute for each key. */
export interface Limit {
  name: string
  perMinute: number
}

/** What is left after a request was counted. */
export interface Standing {
  limit: Limit
  refused: boolean
  remaining: number
  /** Until the count begins anew. */
  resetMs: number
}

/** Counts a request of `key`. */
export type Counter = (key: string) => Promise<Standing>

/** A limit counted in this process. */
export function counter(limit: Limit): Counter {
  const counts = new RateLimiterMemory({ points: limit.perMinute, duration: windowSeconds, keyPrefix: '' })
  const keys = new LRUCache<string, true>({ max: maxKeys, dispose: (_, key) => void counts.delete(key) })
  return async (key) => {
    keys.set(key, true)
    const counted = await counts.consume(key).catch(overdrawn)
    return {
      limit,
      refused: counted.consumedPoints > limit.perMinute,
      remaining: counted.remainingPoints,
      resetMs: counted.msBeforeNext,
    }
  }
}

/** Counts one request on each rung in turn, and on none beyond the first that refuses it. Tells of the one with the least left. */
export async function climb(rungs: readonly (() => Promise<Standing>)[]): Promise<Standing | null> {
  let tightest: Standing | null = null
  for (const rung of rungs) {
    const standing = await rung()
    if (standing.refused) return standing
    if (tightest === null || standing.remaining < tightest.remaining) tightest = standing
  }
  return tightest
}

/** How the library says that there is nothing left. */
function overdrawn(reason: unknown): RateLimiterRes {
  if (reason instanceof RateLimiterRes) return reason
  throw reason
}
