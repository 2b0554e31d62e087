import { inspect } from 'node:util'

/** A value that must not be shown: whatever prints, logs or serializes it gets `***` (or a `shown` form without the secret). */
export class Secret {
  readonly #value: string
  readonly #shown: string

  constructor(value: string, shown = '***') {
    this.#value = value
    this.#shown = shown
  }

  /** Whether there is anything that must not be shown. */
  get hides(): boolean {
    return this.#shown !== this.#value
  }

  /** The value itself; call it only where it is handed to what needs it. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return this.#shown
  }

  toJSON(): string {
    return this.#shown
  }

  [inspect.custom](): string {
    return this.#shown
  }
}
