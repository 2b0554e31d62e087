import { setImmediate as turn } from 'node:timers/promises'

interface Event {
  at: number
  order: number
  work: () => void
  waits: boolean
}

/** A clock that jumps from event to event. Events at the same moment happen in the order in which they were planned. */
export class VirtualTime {
  /** Milliseconds. */
  now = 0
  #planned = 0
  #isStirred = false
  readonly #events: Event[] = []

  /** Plans `work`, which must not wait for anything. */
  after(ms: number, work: () => void): void {
    this.#put({ at: this.now + Math.max(ms, 0), order: this.#planned++, work, waits: false })
  }

  /** Plans `work`, after which others may go on that waited for it. */
  wake(ms: number, work: () => void): void {
    this.#put({ at: this.now + Math.max(ms, 0), order: this.#planned++, work, waits: true })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.wake(ms, resolve))
  }

  /** Call this when an event lets others go on that wait for something else than time. */
  stir(): void {
    this.#isStirred = true
  }

  /** Runs all events planned until then. A sleeper that wakes finishes its work before the next event. */
  async runUntil(ms: number): Promise<void> {
    for (let next = this.#events[0]; next !== undefined && next.at <= ms; next = this.#events[0]) {
      this.#takeFirst()
      this.now = next.at
      next.work()
      // all promises that can continue have continued after this turn
      if (next.waits || this.#isStirred) await turn()
      this.#isStirred = false
    }
    this.now = ms
  }

  #put(event: Event): void {
    const heap = this.#events
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  #takeFirst(): void {
    const heap = this.#events
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
      if (left === undefined) break
      const [child, place] =
        right !== undefined && isBefore(right, left) ? [right, 2 * at + 2] : [left, 2 * at + 1]
      if (!isBefore(child, last)) break
      heap[at] = child
      at = place
    }
    heap[at] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
