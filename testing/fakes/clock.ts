import type { Clock } from '../../src/core/ports.ts'

/** A clock that does not move until a test moves it. */
export interface FakeClock extends Clock {
  /** Lets `ms` pass. Sleepers wake in order, and everything that follows from one moment happens before the next one. */
  pass(ms: number): Promise<void>
  /** Sets the wall clock ahead, or back if `ms` is negative, as an operator does. No time passes. */
  step(ms: number): void
  /** Lets time pass in steps until `done`, or fails after `withinMs`. Returns how long it took. */
  until(done: () => boolean, withinMs: number): Promise<number>
  /** How many sleepers there are; none once everything has stopped. */
  sleepers(): number
}

interface Sleeper {
  atMs: number
  wake: () => void
}

export function fakeClock(nowMs = 1_700_000_000_000): FakeClock {
  // The steady clock; the wall clock is `ahead` of it.
  let now = 0
  let ahead = nowMs
  const sleepers = new Set<Sleeper>()

  /** The sleepers that wake first, in the order in which they fell asleep. */
  function earliest(): Sleeper[] {
    let first: Sleeper[] = []
    for (const sleeper of sleepers) {
      const atMs = first[0]?.atMs ?? Infinity
      if (sleeper.atMs < atMs) first = [sleeper]
      else if (sleeper.atMs === atMs) first.push(sleeper)
    }
    return first
  }

  async function pass(ms: number): Promise<void> {
    const endMs = now + ms
    await settled()
    for (let next = earliest(); next[0] !== undefined && next[0].atMs <= endMs; next = earliest()) {
      now = Math.max(now, next[0].atMs)
      for (const sleeper of next) {
        // A sleeper that woke earlier may have aborted this one.
        if (sleepers.delete(sleeper)) sleeper.wake()
      }
      await settled()
    }
    now = endMs
  }

  return {
    now: () => now + ahead,
    steadyMs: () => now,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const abort = () => {
          sleepers.delete(sleeper)
          reject(signal.reason)
        }
        const wake = () => {
          signal.removeEventListener('abort', abort)
          resolve()
        }
        const sleeper = { atMs: now + ms, wake }
        sleepers.add(sleeper)
        signal.addEventListener('abort', abort, { once: true })
      })
    },
    pass,
    step: (ms) => void (ahead += ms),
    async until(done, withinMs) {
      const startMs = now
      await settled()
      while (!done()) {
        if (now - startMs >= withinMs) throw new Error(`not done within ${withinMs} ms`)
        await pass(50)
      }
      return now - startMs
    },
    sleepers: () => sleepers.size,
  }
}

/** Resolves once all promises that can settle have settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
