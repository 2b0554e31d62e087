import { AnchorageError } from '../../src/core/errors.ts'
import type { Held, LeaderKey } from '../../src/cluster/leader-key.ts'
import type { Random } from '../../testing/random.ts'
import type { Process } from './process.ts'
import type { VirtualTime } from './time.ts'

/** The key of the lease, as nats-server keeps it: with revisions, and with a time to live. */
export class LeaseKey {
  /** NATS answers no node until then. */
  awayUntilMs = 0
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #listeners = new Set<() => void>()
  #held: Held | null = null
  #expiresAtMs = 0

  constructor(time: VirtualTime, random: Random) {
    this.#time = time
    this.#random = random
  }

  /** nats-server loses the key. */
  lose(): void {
    if (this.#held !== null) this.#held = { revision: this.#held.revision + 1, value: null }
  }

  /** The key, as a node reaches it. An answer may be lost after the write was done. */
  for(process: Process): LeaderKey {
    const reach = async <T>(timeoutMs: number, work: () => T): Promise<T> => {
      await process.pass(this.#random.int(1, 10))
      if (this.#time.now < this.awayUntilMs) {
        await process.pass(timeoutMs)
        throw new AnchorageError('unavailable', 'no answer from NATS')
      }
      const answer = work()
      await process.pass(this.#random.chance(0.01) ? timeoutMs : this.#random.int(1, 10))
      if (this.#random.chance(0.01)) throw new AnchorageError('unavailable', 'the answer was lost')
      return answer
    }
    return {
      put: (value, expected, ttlMs, timeoutMs) => reach(timeoutMs, () => this.#put(value, expected, ttlMs)),
      read: (timeoutMs) => reach(timeoutMs, () => this.#now()),
      drop: (expected, timeoutMs) => reach(timeoutMs, () => this.#drop(expected)),
      onDropped: (listener) => {
        const heard = (): void => void (process.isAwake && listener())
        this.#listeners.add(heard)
        return () => this.#listeners.delete(heard)
      },
    }
  }

  #now(): Held | null {
    if (this.#held !== null && this.#held.value !== null && this.#time.now >= this.#expiresAtMs) this.lose()
    return this.#held
  }

  #put(value: string, expected: number, ttlMs: number): number | null {
    const revision = this.#now()?.revision ?? 0
    if (revision !== expected) return null
    this.#held = { revision: revision + 1, value }
    this.#expiresAtMs = this.#time.now + ttlMs
    return revision + 1
  }

  #drop(expected: number): void {
    if (this.#now()?.revision !== expected) throw new AnchorageError('conflict', 'another revision')
    this.lose()
    this.#time.stir()
    for (const listener of this.#listeners) listener()
  }
}
