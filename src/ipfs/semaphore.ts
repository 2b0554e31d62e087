/** Limits how many callers go on at a time. */
export interface Semaphore {
  /** Waits for a place, first come first served. When it rejects, with the signal's reason, no place was taken. */
  take(signal: AbortSignal): Promise<void>
  /** Gives a place back. */
  release(): void
}

export function semaphore(places: number): Semaphore {
  let taken = 0
  const waiting = new Set<() => void>()
  return {
    async take(signal) {
      signal.throwIfAborted()
      if (taken < places) {
        taken++
        return
      }
      await new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(enter)
          reject(signal.reason)
        }
        const enter = (): void => {
          signal.removeEventListener('abort', leave)
          resolve()
        }
        waiting.add(enter)
        signal.addEventListener('abort', leave, { once: true })
      })
    },
    release() {
      const [next] = waiting
      if (next === undefined) taken--
      else {
        // the place passes to the caller that has waited longest
        waiting.delete(next)
        next()
      }
    },
  }
}
