import { LRUCache } from 'lru-cache'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { isCode } from '../core/errors.ts'
import type { RateStore } from '../core/ports.ts'

/** All limits are per minute, counted from the first request. */
export const windowSeconds = 60
/** How many keys are counted. The least recently used ones are forgotten, so that strangers cannot fill the memory. */
const maxKeys = 20_000

/** How many requests per minute each key may make. */
export interface Limit {
  name: string
  perMinute: number
}

/** The state of a limit after a request was counted. */
export interface LimitState {
  limit: Limit
  refused: boolean
  remaining: number
  /** How long until the count begins again at zero. */
  resetMs: number
}

/** Counts a request of `key`. */
export type Counter = (key: string) => Promise<LimitState>

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

/** Counts one request on each rung in turn, up to the first that refuses it. Returns that one, or otherwise the one with the least remaining. */
export async function climb(
  rungs: readonly (() => Promise<LimitState | null>)[],
): Promise<LimitState | null> {
  const passed: LimitState[] = []
  for (const rung of rungs) {
    const state = await rung()
    if (state?.refused === true) return state
    if (state !== null) passed.push(state)
  }
  return tightestOf(passed)
}

function tightestOf([first, ...others]: LimitState[]): LimitState | null {
  if (first === undefined) return null
  return others.reduce(
    (least, next) => (next.refused || next.remaining < least.remaining ? next : least),
    first,
  )
}

/**
 * Counts the same limits over all nodes, under keys from the narrowest to the widest. It is called last, so that what this node refuses
 * costs Postgres nothing. While Postgres is unavailable it returns null, and each node counts for itself.
 */
export async function countTogether(
  store: RateStore,
  limits: readonly (Limit & { key: string })[],
): Promise<LimitState | null> {
  const asked = limits.map(({ key, perMinute: perWindow }) => ({ key, perWindow }))
  const counts = await store.count(asked, windowSeconds).catch((error: unknown) => {
    if (isCode(error, 'unavailable')) return []
    throw error
  })
  const states = limits.flatMap((limit, index): LimitState[] => {
    const count = counts[index]
    if (count === undefined) return []
    const left = limit.perMinute - count.counted
    return [{ limit, refused: left < 0, remaining: Math.max(0, left), resetMs: count.resetMs }]
  })
  return tightestOf(states)
}

/** The library rejects with a `RateLimiterRes` when nothing is left. */
function overdrawn(reason: unknown): RateLimiterRes {
  if (reason instanceof RateLimiterRes) return reason
  throw reason
}
