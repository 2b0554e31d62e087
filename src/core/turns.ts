import { AnchorageError } from './errors.ts'

export interface TurnsOptions {
  /** How many calls of one key run at a time. */
  atOnce: number
  /** How many calls of one key may wait. Further ones are refused. */
  waiting: number
  /** The name of what is limited, for the refusal, such as `requests of one org`. */
  what: string
}

/** Limits concurrent work per key. Each key has its own turns, so a key that asks for much only waits for itself. */
export interface Turns {
  /**
   * Resolves when it is the caller's turn, first come first served, with a function that ends the turn (calling it again does nothing).
   * Rejects `too_many` when too many wait, and with the signal's reason when that aborts first.
   */
  take(key: string, signal?: AbortSignal): Promise<() => void>
  /** The same without waiting: null when it is not the caller's turn yet. */
  takeNow(key: string): (() => void) | null
  /** Runs `work` in a turn, which ends when `work` does. Rejects as `take` and `work` do. */
  during<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

interface Lane {
  under: number
  waiting: Set<() => void>
}

/** An idle key uses no memory. */
export function turns({ atOnce, waiting, what }: TurnsOptions): Turns {
  const lanes = new Map<string, Lane>()

  function begin(key: string, lane: Lane): () => void {
    lane.under++
    let over = false
    return () => {
      if (over) return
      over = true
      lane.under--
      const [next] = lane.waiting
      if (next !== undefined) next()
      else if (lane.under === 0) lanes.delete(key)
    }
  }

  function laneOf(key: string): Lane {
    const lane = lanes.get(key) ?? { under: 0, waiting: new Set() }
    lanes.set(key, lane)
    return lane
  }

  function takeNow(key: string): (() => void) | null {
    const lane = laneOf(key)
    return lane.under < atOnce ? begin(key, lane) : null
  }

  async function take(key: string, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    const now = takeNow(key)
    if (now !== null) return now
    const lane = laneOf(key)
    if (lane.waiting.size >= waiting)
      throw new AnchorageError(
        'too_many',
        `too many ${what} at a time: ${atOnce} are being handled and ${waiting} wait; try again later`,
        { retryAfterSeconds: 1, bound: `${what} at a time` },
      )
    return await nextIn(lane.waiting, () => begin(key, lane), signal)
  }

  return {
    take,
    takeNow,
    async during(key, work, signal) {
      const end = await take(key, signal)
      try {
        return await work()
      } finally {
        end()
      }
    },
  }
}

/**
 * Calls `begin` synchronously when the waiter is released, so that no other caller can take its place. Rejects with the signal's reason
 * when that aborts first.
 */
function nextIn<T>(waiting: Set<() => void>, begin: () => T, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      waiting.delete(go)
      reject(signal?.reason)
    }
    const go = () => {
      waiting.delete(go)
      signal?.removeEventListener('abort', leave)
      resolve(begin())
    }
    waiting.add(go)
    signal?.addEventListener('abort', leave, { once: true })
  })
}
