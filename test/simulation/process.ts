import type { SteadyClock } from '../../src/cluster/steady-clock.ts'
import type { Clock } from '../../src/core/ports.ts'
import type { VirtualTime } from './time.ts'

/** Whether the process of a machine still is that of this boot, and whether it runs. */
export interface Pulse {
  isAlive: () => boolean
  isFrozen: () => boolean
}

/**
 * One process on the virtual clock. While it is frozen, nothing that it waits for arrives; once it is dead, nothing ever does. Its wall
 * clock may be wrong, its monotonic one is not.
 */
export class Process implements Clock, SteadyClock {
  /** How far its wall clock is off. */
  offMs = 0
  readonly #time: VirtualTime
  readonly #pulse: Pulse

  constructor(time: VirtualTime, pulse: Pulse) {
    this.#time = time
    this.#pulse = pulse
  }

  get isAwake(): boolean {
    return this.#pulse.isAlive() && !this.#pulse.isFrozen()
  }

  now(): number {
    return this.#time.now + this.offMs
  }

  steadyMs(): number {
    return this.#time.now
  }

  /** Plans work of another process, which this one has asked for. */
  send(ms: number, work: () => void): void {
    this.#time.wake(ms, work)
  }

  /** Resolves after `ms`, when the process is awake then. */
  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#wake(ms, resolve))
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const abort = (): void => {
        this.#time.stir()
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#wake(ms, () => {
        signal.removeEventListener('abort', abort)
        resolve()
      })
    })
  }

  #wake(ms: number, work: () => void): void {
    this.#time.wake(ms, () => {
      if (!this.#pulse.isAlive()) return
      if (this.#pulse.isFrozen()) this.#wake(1_000, work)
      else work()
    })
  }
}
