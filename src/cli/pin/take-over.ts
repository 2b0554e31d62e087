import { parseCid } from '../../core/cid.ts'
import { AnchorageError, isCode } from '../../core/errors.ts'
import type { Pin, PinClient } from '../../http/client.ts'
import { passes, patiently } from './patiently.ts'
import type { Wish } from './wish.ts'

/** The number of CIDs that a service takes in a filter. */
const batchSize = 10
const batchesInFlight = 4

/** The result so far. */
export interface TakenOver {
  added: number
  there: number
  refused: number
}

interface Manner {
  tell: (done: TakenOver) => void
  /** Called for a pin that the service refuses, with its reason. */
  refuse: (wish: Wish, why: string) => void
  signal: AbortSignal
}

/** A wish that has a pin to ask for. */
type Asked = Wish & { pin: Pin }

/**
 * Adds to `into` every pin that it does not have yet: looks for ten at a time, and adds the missing ones. When answers of a batch are
 * lost, it looks again before it adds again, so that no pin is added twice, in one run or in several. Rejects when the service refuses
 * the token or the org is at its limit; pins that were added until then stay.
 */
export async function takeOver(
  batches: AsyncIterator<Wish[]>,
  into: PinClient,
  { tell, refuse, signal }: Manner,
): Promise<TakenOver> {
  const done: TakenOver = { added: 0, there: 0, refused: 0 }
  const batch = new Batches(into, done, refuse, signal)
  let stopped = false
  const work = async (): Promise<void> => {
    while (!stopped) {
      const next = await batches.next()
      if (next.done) return
      await batch.takeOver(next.value)
      tell(done)
    }
  }
  const workers = Array.from({ length: batchesInFlight }, work)
  try {
    await Promise.all(workers)
    return done
  } catch (cause) {
    // wait for requests that are under way, so that the count is right
    stopped = true
    await Promise.allSettled(workers)
    signal.throwIfAborted()
    if (!(cause instanceof AnchorageError)) throw cause
    const soFar = `${done.added} pins were added before that: run it again to continue`
    throw new AnchorageError(cause.code, `${cause.message}; ${soFar}`, { cause })
  }
}

class Batches {
  readonly #into: PinClient
  readonly #done: TakenOver
  readonly #refuse: Manner['refuse']
  readonly #signal: AbortSignal
  /** Pins that other batches are adding at this moment; a look might not find them yet. */
  readonly #underWay = new Set<string>()

  constructor(into: PinClient, done: TakenOver, refuse: Manner['refuse'], signal: AbortSignal) {
    this.#into = into
    this.#done = done
    this.#refuse = refuse
    this.#signal = signal
  }

  async takeOver(wishes: Wish[]): Promise<void> {
    const left = new Map<string, Asked>()
    for (const { where, pin } of wishes) {
      const key = pin === null ? null : keyOf(pin)
      if (pin === null || key === null) this.#turnDown({ where, pin }, 'this is not a pin with a CID')
      else if (left.has(key) || this.#underWay.has(key)) this.#done.there += 1
      else left.set(key, { where, pin })
    }
    const keys = [...left.keys()]
    for (const key of keys) this.#underWay.add(key)
    const asked = new Set<string>()
    try {
      await patiently(() => this.#askForMissing(left, asked), this.#signal)
    } finally {
      for (const key of keys) this.#underWay.delete(key)
    }
  }

  /** Removes settled pins from `left`. A pin that is found now and was `asked` for before was added by that request. */
  async #askForMissing(left: Map<string, Asked>, asked: Set<string>): Promise<void> {
    if (left.size === 0) return
    const cid = [...new Set([...left.values()].map((wish) => wish.pin.cid))]
    for await (const { pin } of this.#into.all({ cid }, this.#signal)) {
      const key = keyOf(pin)
      if (key === null || !left.delete(key)) continue
      if (asked.has(key)) this.#done.added += 1
      else this.#done.there += 1
    }
    const asking = [...left].map(async ([key, wish]) => {
      asked.add(key)
      await this.#add(wish)
      left.delete(key)
    })
    const failures = (await Promise.allSettled(asking)).filter((outcome) => outcome.status === 'rejected')
    // a failure that no retry helps comes first: nothing is retried after it
    const failed = failures.find(({ reason }) => !passes(reason)) ?? failures[0]
    if (failed) throw failed.reason
  }

  async #add(wish: Asked): Promise<void> {
    try {
      await this.#into.add(wish.pin, this.#signal)
      this.#done.added += 1
    } catch (error) {
      if (!isCode(error, 'invalid')) throw error
      this.#turnDown(wish, error.message)
    }
  }

  #turnDown(wish: Wish, why: string): void {
    this.#done.refused += 1
    this.#refuse(wish, why)
  }
}

/** Wishes in batches. */
export async function* inBatches(wishes: AsyncIterable<Wish>): AsyncGenerator<Wish[]> {
  let batch: Wish[] = []
  for await (const wish of wishes) {
    batch.push(wish)
    if (batch.length < batchSize) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/**
 * Two pins are the same when CID, name and metadata are; null when there is no CID. Origins are left out because they only help to find
 * the content. Some services write null for an absent field.
 */
function keyOf({ cid, name, meta }: Pin): string | null {
  try {
    const pairs = Object.entries(meta ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
    return JSON.stringify([parseCid(cid), name ?? '', pairs])
  } catch {
    return null
  }
}
