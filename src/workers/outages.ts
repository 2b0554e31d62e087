import { backoffMs } from './backoff.ts'
import type { Log, SteadyClock } from '../core/ports.ts'

/** A server that a worker cannot do without. */
export type Need = 'kubo' | 'postgres'

const backoff = { minMs: 250, maxMs: 5_000 }

/**
 * Pauses a worker while a server that it needs is down, so that an outage uses up no attempts. After `begin`, the server is probed with
 * backoff until it answers.
 */
export class Outages {
  readonly #probes: Record<Need, (signal: AbortSignal) => Promise<unknown>>
  readonly #parts: {
    clock: SteadyClock
    log: Log
    random: () => number
    signal: AbortSignal
    onOver: () => void
  }
  readonly #away = new Set<Need>()

  constructor(
    probes: Record<Need, (signal: AbortSignal) => Promise<unknown>>,
    parts: { clock: SteadyClock; log: Log; random: () => number; signal: AbortSignal; onOver: () => void },
  ) {
    this.#probes = probes
    this.#parts = parts
  }

  get any(): boolean {
    return this.#away.size > 0
  }

  away(): Need[] {
    return [...this.#away]
  }

  /** Notes that `need` is down and starts to probe it; does nothing when that is known already. */
  begin(need: Need, error: unknown): void {
    if (this.#away.has(need) || this.#parts.signal.aborted) return
    this.#away.add(need)
    void this.#wait(need, error)
  }

  async #wait(need: Need, error: unknown): Promise<void> {
    const { clock, log, random, signal, onOver } = this.#parts
    // One dropped connection is nothing that an operator has to know.
    log.debug({ err: error, need }, 'pinning waits')
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await clock.sleep(backoffMs(failures, backoff, random()), signal)
        await this.#probes[need](signal)
        this.#away.delete(need)
        if (failures > 3) log.info({ need }, 'pinning continues')
        onOver()
        return
      } catch (probed) {
        if (failures === 3 && !signal.aborted)
          log.warn({ err: probed, need }, 'pinning waits until the service that it needs answers again')
      }
    }
  }
}
