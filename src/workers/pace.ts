import type { SteadyClock } from '../core/ports.ts'

/** The fewest copies that may be under way, however slow accepts are, so that moves always make progress. */
const least = 8
/** This many more copies are allowed after each second in which accepts were fast enough. */
const step = 4
const secondMs = 1_000
/** Accepts are fast enough up to this many times as long as without copies … */
const slack = 1.75
/** … and the time without copies counts as at least this, ms. */
const fastMs = 15
/** How much one second without copies counts in the average of the usual time … */
const weight = 0.2
/** … if there were no copies for this many seconds before. */
const quietSeconds = 4

/**
 * How many copies may be under way beside accepts: a few more each second while accepts take about as long as without copies, half as many
 * as soon as they take longer (additive increase, multiplicative decrease: Chiu and Jain, 1989). While nothing is accepted, no client
 * waits, and the maximum is allowed.
 */
export class Pace {
  readonly #clock: Pick<SteadyClock, 'steadyMs'>
  #copies = least
  #usualMs = fastMs
  #quiet = 0
  #busy = false
  #lookedAtMs = -Infinity

  constructor(clock: Pick<SteadyClock, 'steadyMs'>) {
    this.#clock = clock
  }

  /**
   * Call this in each run. `acceptMs` is how long accepts took lately, null when there were none; `busy` is true while copies are under way
   * or were begun.
   */
  copies(most: number, acceptMs: number | null, busy: boolean): number {
    this.#busy ||= busy
    if (this.#clock.steadyMs() - this.#lookedAtMs >= secondMs) this.#learn(most, acceptMs)
    return acceptMs === null ? most : Math.min(this.#copies, most)
  }

  #learn(most: number, acceptMs: number | null): void {
    this.#lookedAtMs = this.#clock.steadyMs()
    this.#quiet = this.#busy ? 0 : this.#quiet + 1
    this.#busy = false
    if (acceptMs === null) return
    if (this.#quiet > quietSeconds)
      this.#usualMs = Math.max(fastMs, (1 - weight) * this.#usualMs + weight * acceptMs)
    if (acceptMs > slack * this.#usualMs) this.#copies = Math.max(least, Math.floor(this.#copies / 2))
    else if (this.#quiet === 0) this.#copies = Math.min(this.#copies + step, most)
  }
}
