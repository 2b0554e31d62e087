import type { NodeIdentity } from '../core/node.ts'
import type { DuePlacement } from '../core/placement.ts'
import type { PlacementStore } from '../core/ports.ts'

/** The most that one read returns, for one org and in all. */
const perOrg = 256
const limit = 1_024
/** A read that returns this many did not return everything: the share of an org, of a kind, or the whole read may have been full. */
const many = 128

/**
 * Reads this node's due placements from Postgres, so that work comes without any hint. It reads so often that losing every message only
 * causes delay, and it reads at once when the queue runs low and more waits, so that a backlog drains at full speed.
 */
export class Feed {
  readonly #identity: NodeIdentity
  readonly #placements: PlacementStore
  readonly #pollIntervalMs: number
  readonly #lowWater: number
  #reading = false
  #readAtMs = -Infinity
  #more = false
  #granted = false

  constructor(
    identity: NodeIdentity,
    placements: PlacementStore,
    options: { pollIntervalMs: number; lowWater: number },
  ) {
    this.#identity = identity
    this.#placements = placements
    this.#pollIntervalMs = options.pollIntervalMs
    this.#lowWater = options.lowWater
  }

  /** Call this when a claim was granted: the next read then returns new placements, and not only those that were just refused. */
  granted(): void {
    this.#granted = true
  }

  /** Makes the next call of `wants` return true. */
  soon(): void {
    this.#readAtMs = -Infinity
  }

  wants(queued: number, nowMs: number): boolean {
    if (this.#reading) return false
    if (nowMs - this.#readAtMs >= this.#pollIntervalMs) return true
    return this.#more && this.#granted && queued < this.#lowWater
  }

  /** Reads at most `retries` retries. With `unpinsOnly`, reads only the placements to be unpinned. */
  async read(nowMs: number, unpinsOnly: boolean, retries: number): Promise<DuePlacement[]> {
    this.#reading = true
    this.#readAtMs = nowMs
    this.#granted = false
    try {
      const due = unpinsOnly
        ? await this.#placements.dueUnpins(this.#identity, limit)
        : await this.#placements.due(this.#identity, perOrg, limit, retries)
      this.#more = due.length >= many
      return due
    } finally {
      this.#reading = false
    }
  }
}
