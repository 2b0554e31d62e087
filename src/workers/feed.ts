import type { DuePlacement } from '../core/placement.ts'
import type { NodeIdentity, PlacementStore } from '../core/ports.ts'

/** What one read brings at most, of one org and in all. */
const perOrg = 256
const limit = 1_024

/**
 * The way by which work comes without any hint: this node's due placements, read from Postgres. Often enough that losing every
 * message only delays; and at once when the queue runs low and more waits, so that a backlog drains at full speed.
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

  /** A claim was granted: reading again brings something new, and not what was refused a moment ago. */
  granted(): void {
    this.#granted = true
  }

  /** Read at the next occasion. */
  soon(): void {
    this.#readAtMs = -Infinity
  }

  wants(queued: number, nowMs: number): boolean {
    if (this.#reading) return false
    if (nowMs - this.#readAtMs >= this.#pollIntervalMs) return true
    return this.#more && this.#granted && queued < this.#lowWater
  }

  /** With `unpinsOnly`, just what is to be unpinned. */
  async read(nowMs: number, unpinsOnly: boolean): Promise<DuePlacement[]> {
    this.#reading = true
    this.#readAtMs = nowMs
    this.#granted = false
    try {
      const due = unpinsOnly
        ? await this.#placements.dueUnpins(this.#identity, limit)
        : await this.#placements.due(this.#identity, perOrg, limit)
      // An org's part, or the whole, was full: there may be more.
      this.#more = due.length >= perOrg
      return due
    } finally {
      this.#reading = false
    }
  }
}
