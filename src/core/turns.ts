import { AnchorageError } from './errors.ts'

export interface TurnsOptions {
  /** Of one key's work, so much goes on at a time … */
  atOnce: number
  /** … and so much waits; what comes then is refused. */
  waiting: number
  /** What is taken turns at, for the refusal: `requests of one org`, say. */
  what: string
}

/** Shares something out between keys: each has turns of its own, so that whoever asks for much waits behind itself alone. */
export interface Turns {
  /**
   * Resolves when it is this one's turn, first come first served, with a function that ends the turn (once; more is harmless).
   * Rejects `too_many` when too many wait, and with the signal's reason when that is aborted first.
   */
  take(key: string, signal?: AbortSignal): Promise<() => void>
  /** The same without waiting: null when it is not its turn yet. */
  takeNow(key: string): (() => void) | null
  /** `work`, in its turn, which ends with it. Rejects as `take` and as `work` do. */
  during<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

interface Lane {
  under: number
  waiting: Set<() => void>
}

/** An idle key holds no memory. */
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
        `too many ${what} at a time: ${atOnce} go on and ${waiting} wait; ask again once some have been answered`,
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

/** Begins in the very moment that it is told to go; rejects with the signal's reason when that is aborted first. */
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
