import type { Clock } from '../core/ports.ts'

/** The fewest copies that are under way at a time, however slow accepts are: what is moved gets there. */
const least = 8
/** As many more with each second in which accepts were fast enough. */
const step = 4
const secondMs = 1_000
/** Accepts may take this much longer than without copies … */
const slack = 1.75
/** … and what is faster than this is fast enough, ms. */
const fastMs = 15
/** How much a second without copies tells of what is usual … */
const weight = 0.2
/** … once it is so many seconds ago that there were any. */
const quietSeconds = 4

/**
 * How many copies may be under way beside accepts: more by a few while accepts take about as long as they do without any, half as many
 * as soon as they take longer (additive increase, multiplicative decrease: Chiu and Jain, 1989). While nothing is accepted, nobody
 * is kept waiting, and it is as many as there may be.
 */
export class Pace {
  readonly #clock: Pick<Clock, 'now'>
  #copies = least
  #usualMs = fastMs
  #quiet = 0
  #busy = false
  #lookedAtMs = -Infinity

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** To be asked at each look: `acceptMs` is what accepts took lately, null without any; `busy` while copies are under way or were begun. */
  copies(most: number, acceptMs: number | null, busy: boolean): number {
    this.#busy ||= busy
    if (this.#clock.now() - this.#lookedAtMs >= secondMs) this.#learn(most, acceptMs)
    return acceptMs === null ? most : Math.min(this.#copies, most)
  }

  #learn(most: number, acceptMs: number | null): void {
    this.#lookedAtMs = this.#clock.now()
    this.#quiet = this.#busy ? 0 : this.#quiet + 1
    this.#busy = false
    if (acceptMs === null) return
    if (this.#quiet > quietSeconds)
      this.#usualMs = Math.max(fastMs, (1 - weight) * this.#usualMs + weight * acceptMs)
    if (acceptMs > slack * this.#usualMs) this.#copies = Math.max(least, Math.floor(this.#copies / 2))
    else if (this.#quiet === 0) this.#copies = Math.min(this.#copies + step, most)
  }
}
