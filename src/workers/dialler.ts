import { IpfsError } from '../core/ipfs-error.ts'
import type { Claim, OfferedOrigins } from '../core/placement.ts'
import type { Clock, Ipfs } from '../core/ports.ts'
import type { Attempt } from './attempt.ts'

/** A sibling's address that answered is not dialled again for so long. */
const answeredMs = 10_000
/** An origin that cannot be reached is not dialled again for so long, whichever pin names it, and after that behind others … */
export const deadMs = 120_000
/** … or, when it was not waited for as long as usual, for so many times as long as it was. */
const deadTimes = 12
/** No more addresses than these are remembered, of either kind. */
const rememberedMax = 4_096
/** Origins of one attempt dialled at a time: a stranger's list of dead addresses must not crowd Kubo. */
export const lanes = 4
/** The longest that an origin is waited for. */
export const dialMs = 10_000

/**
 * Connects Kubo to those who may have the content, beside the pin: best effort, nothing here fails a pin.
 *
 * Orgs take turns, so a good origin of one waits for one dial of each other org at most, be their origins dead or not. And no list lasts
 * longer than the attempt that it is for: a dial may last for the time that is left until the attempt stalls, divided by the rounds of `lanes`
 * dials that are left. The store hands over at most 16 orgs with 20 origins each: that is 80 rounds, and with the `pin.stallTimeout` of
 * 120 s a dial has 1.5 s. One org's 20 are 5 rounds, and each dial has its 10 s.
 */
export class Dialler {
  readonly #ipfs: Ipfs
  readonly #clock: Clock
  readonly #stallTimeoutMs: number
  /** Until when siblings that answered are left alone: they are the same few for every pin. */
  readonly #answered = new Map<string, number>()
  /** The same of origins that were found dead. */
  readonly #dead = new Map<string, number>()

  constructor({ ipfs, clock, stallTimeoutMs }: { ipfs: Ipfs; clock: Clock; stallTimeoutMs: number }) {
    this.#ipfs = ipfs
    this.#clock = clock
    this.#stallTimeoutMs = stallTimeoutMs
  }

  /** Starts to dial the claim's origins and holders; ends with the attempt. */
  dial(attempt: Attempt, claim: Claim): void {
    if (claim.holders.length > 0) void this.#siblings(claim.holders, attempt.signal)
    this.origins(attempt, claim.origins)
  }

  /** Starts to dial those that are offered and that this attempt did not dial yet. */
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
    const leftMs = attempt.heardAtMs + this.#stallTimeoutMs - this.#clock.now()
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
        // Another address, or the network itself, may do.
      }
    }
  }

  #isLeftAlone(map: Map<string, number>, address: string): boolean {
    return this.#clock.now() < (map.get(address) ?? -Infinity)
  }

  #leaveAlone(map: Map<string, number>, address: string, forMs: number): void {
    // the oldest stand first, and are forgotten first
    map.delete(address)
    map.set(address, this.#clock.now() + forMs)
    for (const oldest of map.keys()) {
      if (map.size <= rememberedMax) return
      map.delete(oldest)
    }
  }
}
