/** The fewest copies that are under way at a time, however slow accepts are: what is moved gets there. */
const least = 8
/** As many more with each look at which accepts were fast enough. */
const step = 4
/** Accepts may take this much longer than without copies … */
const slack = 1.5
/** … and what is faster than this is fast enough, ms. */
const fastMs = 15
/** How much a look without copies tells of what is usual … */
const weight = 0.2
/** … once it is so many looks ago that there were any. */
const quietLooks = 4

/**
 * How many copies may be under way beside accepts: more by a few while accepts take about as long as they do without any, half as many
 * as soon as they take longer (additive increase, multiplicative decrease: Chiu and Jain, 1989). While nothing is accepted, nobody
 * is kept waiting, and it is as many as there may be.
 */
export class Pace {
  #copies = least
  #usualMs = fastMs
  #quiet = 0

  /** To be asked at each look: `acceptMs` is what accepts took lately, null without any; `busy` while copies are under way or were begun. */
  copies(most: number, acceptMs: number | null, busy: boolean): number {
    this.#quiet = busy ? 0 : this.#quiet + 1
    if (acceptMs === null) return most
    if (this.#quiet > quietLooks)
      this.#usualMs = Math.max(fastMs, (1 - weight) * this.#usualMs + weight * acceptMs)
    if (acceptMs > slack * this.#usualMs) this.#copies = Math.max(least, Math.floor(this.#copies / 2))
    else this.#copies += step
    this.#copies = Math.min(this.#copies, most)
    return this.#copies
  }
}
