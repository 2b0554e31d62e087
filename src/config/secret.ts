import { inspect } from 'node:util'

/** A value that must not be shown: printed, logged or serialized, it is `***`, or `shown`, a form without the secret. */
export class Secret {
  readonly #value: string
  readonly #shown: string

  constructor(value: string, shown = '***') {
    this.#value = value
    this.#shown = shown
  }

  /** True when the value contains something that must not be shown. */
  get hides(): boolean {
    return this.#shown !== this.#value
  }

  /** The value itself. Call this only where the value is passed to the code that needs it. */
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
