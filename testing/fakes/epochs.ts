import { epochOf, numberOf, type Epoch } from '../../src/core/epoch.ts'
import type { EpochStore } from '../../src/core/ports.ts'

/** The epochs of one cluster in memory, taken as in Postgres. */
export class FakeEpochs implements EpochStore {
  #present = epochOf('0')

  async present(): Promise<Epoch> {
    return this.#present
  }

  async take(seen: Epoch, termId: string): Promise<Epoch | null> {
    if (seen !== this.#present) return null
    this.#present = epochOf(`${numberOf(seen) + 1}:${termId}`)
    return this.#present
  }

  /** As an operator who changes the number alone. */
  raise(): void {
    this.#present = epochOf(`${numberOf(this.#present) + 1}`)
  }
}
