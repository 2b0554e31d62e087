import type { Claim } from '../core/placement.ts'
import type { Clock, Ipfs } from '../core/ports.ts'
import type { Attempt } from './attempt.ts'

/** An address that answered is not dialled again for so long … */
const rememberedMs = 10_000
/** … and no more addresses than these are remembered. */
const rememberedMax = 1_024
/** Origins of one attempt dialled at a time: a stranger's list of dead addresses must not crowd Kubo. */
const lanes = 2

/** Connects Kubo to those who may have the content, beside the pin: best effort, nothing here fails a pin. */
export class Dialler {
  readonly #ipfs: Ipfs
  readonly #clock: Clock
  /** Siblings that answered lately, oldest first: they are the same few for every pin. */
  readonly #answered = new Map<string, number>()

  constructor({ ipfs, clock }: { ipfs: Ipfs; clock: Clock }) {
    this.#ipfs = ipfs
    this.#clock = clock
  }

  /** Starts to dial the claim's origins and holders; ends with the attempt. */
  dial(attempt: Attempt, claim: Claim): void {
    if (claim.holders.length > 0) void this.#siblings(claim.holders, attempt.signal)
    if (claim.origins.length > 0) this.origins(attempt, claim.origins)
  }

  /** Starts to dial those of `origins` that this attempt did not dial yet. */
  origins(attempt: Attempt, origins: readonly string[]): void {
    const fresh = origins.filter((origin) => !attempt.dialled.has(origin))
    for (const origin of fresh) attempt.dialled.add(origin)
    const left = fresh.values()
    for (let lane = 0; lane < lanes; lane++) void this.#strangers(left, attempt)
  }

  async #strangers(origins: Iterable<string>, attempt: Attempt): Promise<void> {
    for (const origin of origins) {
      if (attempt.ended || attempt.signal.aborted) return
      try {
        await this.#ipfs.connect(origin, attempt.signal)
      } catch {
        attempt.unreachable++
      }
    }
  }

  async #siblings(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    for (const address of addresses) {
      if (signal.aborted) return
      if (this.#clock.now() - (this.#answered.get(address) ?? -Infinity) < rememberedMs) continue
      try {
        await this.#ipfs.connectSibling(address, signal)
        this.#remember(address)
      } catch {
        // Another address, or the network itself, may do.
      }
    }
  }

  #remember(address: string): void {
    this.#answered.delete(address)
    this.#answered.set(address, this.#clock.now())
    for (const oldest of this.#answered.keys()) {
      if (this.#answered.size <= rememberedMax) return
      this.#answered.delete(oldest)
    }
  }
}
