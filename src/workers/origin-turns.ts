import type { OrgId } from '../core/ids.ts'
import type { OfferedOrigins } from '../core/placement.ts'

/** At most this many origins of one org are dialled for an attempt, however many pins it has. */
export const maxPerOrg = 20

/** The origins that orgs offer for one attempt, in the order in which they are dialled: the org with the fewest dials is next. */
export class OriginTurns {
  /** How many origins could not be reached. */
  unreachable = 0
  /** How many lanes dial now. */
  lanes = 0
  #waiting = new Map<OrgId, string[]>()
  readonly #takenOf = new Map<OrgId, number>()
  readonly #taken = new Set<string>()

  /** Replaces the origins that wait by those offered now. Origins for which `isLast` is true are dialled after all others of their org. */
  offer(offers: readonly OfferedOrigins[], isLast: (origin: string) => boolean): void {
    const inOrder = (origins: readonly string[]) =>
      origins.toSorted((one, other) => Number(isLast(one)) - Number(isLast(other)))
    this.#waiting = new Map(offers.map(({ orgId, origins }) => [orgId, inOrder(origins)]))
  }

  /** The next origin to dial. An origin that several orgs offer is dialled once for all of them. */
  next(): string | undefined {
    for (;;) {
      const orgs = [...this.#waiting.keys()].filter((orgId) => this.#mayTake(orgId) > 0)
      const [orgId] = orgs.toSorted((one, other) => this.#mayTake(other) - this.#mayTake(one))
      if (orgId === undefined) return undefined
      const origin = this.#waiting.get(orgId)?.shift()
      if (origin === undefined) this.#waiting.delete(orgId)
      else if (!this.#taken.has(origin)) {
        this.#taken.add(origin)
        this.#takenOf.set(orgId, (this.#takenOf.get(orgId) ?? 0) + 1)
        return origin
      }
    }
  }

  /** How many origins were taken. */
  get taken(): number {
    return this.#taken.size
  }

  /** The most origins that may still be dialled. */
  get waiting(): number {
    let sum = 0
    for (const [orgId, origins] of this.#waiting) sum += Math.min(origins.length, this.#mayTake(orgId))
    return sum
  }

  #mayTake(orgId: OrgId): number {
    return maxPerOrg - (this.#takenOf.get(orgId) ?? 0)
  }
}
