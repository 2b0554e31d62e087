import { IpfsError } from '../core/ipfs-error.ts'
import type { Claim, OfferedOrigins } from '../core/placement.ts'
import type { Ipfs, SteadyClock } from '../core/ports.ts'
import type { Attempt } from './attempt.ts'

/** A sibling's address that answered is not dialled again for this long. */
const answeredMs = 10_000
/** An origin that cannot be reached is not dialled again for this long, whichever pin names it, and after that only behind others … */
export const deadMs = 120_000
/** … or, if its dial had less than the usual time, for this many times that time. */
const deadTimes = 12
/** At most this many addresses of either kind are remembered. */
const rememberedMax = 4_096
/** Origins of one attempt dialled at a time: one user's list of dead addresses must not crowd Kubo. */
export const lanes = 4
/** The longest time that a dial of an origin may take. */
export const dialMs = 10_000

/**
 * Connects Kubo to peers that may have the content, while the pin runs. This is best effort: nothing here fails a pin.
 *
 * Orgs take turns, so a good origin of one org waits for at most one dial of each other org, whether their origins are dead or not. No list
 * takes longer than its attempt: a dial may take the time left until the attempt stalls, divided by the rounds of `lanes` dials that are
 * left. The store hands over at most 16 orgs with 20 origins each: that is 80 rounds, and with the `pin.stallTimeout` of 120 s a dial has
 * 1.5 s. The 20 origins of one org are 5 rounds, and each dial has its 10 s.
 */
export class Dialler {
  readonly #ipfs: Ipfs
  readonly #clock: SteadyClock
  readonly #stallTimeoutMs: number
  /** Until when siblings that answered are not dialled again: they are the same few for every pin. */
  readonly #answered = new Map<string, number>()
  /** Until when origins that were found dead are not dialled again. */
  readonly #dead = new Map<string, number>()

  constructor({ ipfs, clock, stallTimeoutMs }: { ipfs: Ipfs; clock: SteadyClock; stallTimeoutMs: number }) {
    this.#ipfs = ipfs
    this.#clock = clock
    this.#stallTimeoutMs = stallTimeoutMs
  }

  /** Starts to dial the claim's origins and holders; stops when the attempt ends. */
  dial(attempt: Attempt, claim: Claim): void {
    if (claim.holders.length > 0) void this.#siblings(claim.holders, attempt.signal)
    this.origins(attempt, claim.origins)
  }

  /** Starts to dial the offered origins that this attempt has not dialled yet. */
  origins(attempt: Attempt, offers: readonly OfferedOrigins[]): void {
    attempt.origins.offer(offers, (origin) => this.#dead.has(origin))
    for (let free = lanes - attempt.origins.lanes; free > 0; free--) void this.#lane(attempt)
  }

  async #lane(attempt: Attempt): Promise<void> {
    const turns = attempt.origins
    turns.lanes++
    while (!attempt.ended && !attempt.signal.aborted) {
      const origin = turns.next()
      if (origin === undefined) break
      if (!(await this.#reach(origin, attempt))) turns.unreachable++
    }
    turns.lanes--
  }

  async #reach(origin: string, attempt: Attempt): Promise<boolean> {
    if (this.#isLeftAlone(this.#dead, origin)) return false
    const leftMs = attempt.heardAtMs + this.#stallTimeoutMs - this.#clock.steadyMs()
    const rounds = Math.ceil((attempt.origins.waiting + 1) / lanes)
    const isOver = new AbortController()
    const isTooLong = new AbortController()
    const waitMs = Math.max(0, Math.min(dialMs, leftMs / rounds))
    this.#clock.sleep(waitMs, isOver.signal).then(
      () => isTooLong.abort(new IpfsError('bad_origin', 'the origin did not answer in time')),
      () => {},
    )
    try {
      await this.#ipfs.connect(origin, AbortSignal.any([attempt.signal, isTooLong.signal]))
      this.#dead.delete(origin)
      return true
    } catch (error) {
      const says = error instanceof IpfsError && error.code !== 'kubo_down' && !attempt.signal.aborted
      if (says) this.#leaveAlone(this.#dead, origin, isTooLong.signal.aborted ? deadTimes * waitMs : deadMs)
      return false
    } finally {
      isOver.abort()
    }
  }

  async #siblings(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    for (const address of addresses) {
      if (signal.aborted) return
      if (this.#isLeftAlone(this.#answered, address)) continue
      try {
        await this.#ipfs.connectSibling(address, signal)
        this.#leaveAlone(this.#answered, address, answeredMs)
      } catch {
        // Another address may answer, or Kubo may find the content without siblings.
      }
    }
  }

  #isLeftAlone(map: Map<string, number>, address: string): boolean {
    return this.#clock.steadyMs() < (map.get(address) ?? -Infinity)
  }

  #leaveAlone(map: Map<string, number>, address: string, forMs: number): void {
    // a Map iterates in the order of insertion, so the oldest are forgotten first
    map.delete(address)
    map.set(address, this.#clock.steadyMs() + forMs)
    for (const oldest of map.keys()) {
      if (map.size <= rememberedMax) return
      map.delete(oldest)
    }
  }
}
