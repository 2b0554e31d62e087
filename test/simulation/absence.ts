/** Work for a shorter time than this may pass unnoticed: a sign of life is written every 10 s, and read every 4 s. */
const blinkMs = 16_000

/** Since when one node has really not worked, whatever the others know of it. */
export class Absence {
  readonly #now: () => number
  #sinceMs: number | null = null
  #worksSinceMs: number | null = null

  constructor(now: () => number) {
    this.#now = now
  }

  /** Notes whether the node works now. */
  note(works: boolean): void {
    const now = this.#now()
    if (works) {
      this.#worksSinceMs ??= now
      return
    }
    const wasBack = this.#worksSinceMs !== null && now - this.#worksSinceMs >= blinkMs
    this.#sinceMs = wasBack ? now : (this.#sinceMs ?? now)
    this.#worksSinceMs = null
  }

  /** The leader has noted that the node is back, so no later absence is the same one. */
  noted(): void {
    if (this.#worksSinceMs !== null) this.#sinceMs = null
  }

  /** The time since which it has not worked, or worked only for moments; now, when it works. */
  sinceMs(): number {
    const isBack = this.#worksSinceMs !== null && this.#now() - this.#worksSinceMs >= blinkMs
    return isBack ? this.#now() : (this.#sinceMs ?? this.#now())
  }
}
