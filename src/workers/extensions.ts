import type { NodeIdentity } from '../core/node.ts'
import type { PlacementStore } from '../core/ports.ts'
import type { Attempt } from './attempt.ts'

/** How long a claim lives without being extended. */
export const claimMs = 30_000
/** A claim is extended when less than this time is left … */
const marginMs = 10_000
/** … or, while there is progress to report, this often. */
const progressMs = 2_000
/** The first extension comes early, so that the pin shows as `pinning`; content that is pinned in a moment does not get that far. */
const firstMs = 1_000

/** Extends the claims of attempts under way and reports their progress, all in one call, one call at a time. */
export class Extensions {
  readonly #identity: NodeIdentity
  readonly #placements: PlacementStore
  #busy = false

  constructor(identity: NodeIdentity, placements: PlacementStore) {
    this.#identity = identity
    this.#placements = placements
  }

  /**
   * Resolves with the attempts whose placement has another generation by now. Rejects when Postgres cannot be reached; the next tick asks
   * again.
   */
  async tick(attempts: Iterable<Attempt>, nowMs: number): Promise<Attempt[]> {
    if (this.#busy) return []
    const due = pick(attempts, nowMs)
    if (due.length === 0) return []
    this.#busy = true
    try {
      const changed = new Set(await this.#placements.extend(this.#identity, due.map(progressOf), claimMs))
      for (const { attempt, blocks } of due) {
        attempt.claimRenewedAtMs = nowMs
        attempt.reportedBlocks = blocks
      }
      return due.map(({ attempt }) => attempt).filter(({ ended, job }) => !ended && changed.has(job.cid))
    } finally {
      this.#busy = false
    }
  }
}

interface Due {
  attempt: Attempt
  generation: number
  blocks: number
  bytes: number
}

function pick(attempts: Iterable<Attempt>, nowMs: number): Due[] {
  const due: Due[] = []
  for (const attempt of attempts) {
    const { claim, blocks, bytes } = attempt
    if (claim === null || attempt.ended || nowMs - attempt.claimRenewedAtMs < waitMs(attempt)) continue
    due.push({ attempt, generation: claim.generation, blocks, bytes })
  }
  return due
}

function waitMs({ reportedBlocks, blocks }: Attempt): number {
  if (reportedBlocks < 0) return firstMs
  return blocks === reportedBlocks ? claimMs - marginMs : progressMs
}

function progressOf({ attempt, generation, blocks, bytes }: Due) {
  return { cid: attempt.job.cid, generation, blocks, bytes }
}
