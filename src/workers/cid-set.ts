/** How much a set holds, and which part of all CIDs it covers. */
export interface CidSetOptions {
  /** Any number, different for each set, so that no org can craft two CIDs with the same fingerprint. */
  seed: number
  /** The most CIDs that the set holds. Further ones are not added, and the set is `full`. */
  max: number
  /** Into how many buckets all CIDs are divided. */
  buckets: number
  /** The bucket that this set covers. */
  bucket: number
}

const firstCapacity = 1_024

/**
 * A set of CIDs that takes 16 bytes for each, since it keeps 63-bit fingerprints. A set of n CIDs reports a CID that it does not hold as
 * present with a probability of n in 2^63.
 */
export class CidSet {
  readonly #options: CidSetOptions
  /** Pairs of words with open addressing, at most half full. A low word of 0 marks a free place. */
  #table = new Uint32Array(2 * firstCapacity)
  #size = 0
  #full = false
  #low = 0
  #high = 0

  constructor(options: CidSetOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#size
  }

  /** True when a CID of this bucket was left out because the set is full. Then `has` proves no absence. */
  get full(): boolean {
    return this.#full
  }

  /** Whether `cid` belongs to this set's bucket. */
  covers(cid: string): boolean {
    this.#digest(cid)
    return this.#high % this.#options.buckets === this.#options.bucket
  }

  /** Adds `cid` if this set covers it. */
  add(cid: string): void {
    if (!this.covers(cid)) return
    const at = place(this.#table, this.#low, this.#high)
    if (this.#table[at] !== 0) return
    if (this.#size >= this.#options.max) {
      this.#full = true
      return
    }
    this.#table[at] = this.#low
    this.#table[at + 1] = this.#high
    this.#size++
    if (4 * this.#size >= this.#table.length) this.#table = doubled(this.#table)
  }

  has(cid: string): boolean {
    return this.covers(cid) && this.#table[place(this.#table, this.#low, this.#high)] !== 0
  }

  /** Two lanes of mixing in the manner of Murmur. A CID's text is close to random already. */
  #digest(cid: string): void {
    let low = this.#options.seed ^ 0x9e3779b9
    let high = this.#options.seed ^ 0x85ebca6b
    for (let index = 0; index < cid.length; index++) {
      const code = cid.charCodeAt(index)
      low = Math.imul(low ^ code, 0x9e3779b1)
      high = Math.imul(high ^ code, 0x5f356495)
    }
    this.#low = (mixed(low ^ (high >>> 15)) | 1) >>> 0
    this.#high = mixed(high ^ (low >>> 13)) >>> 0
  }
}

function mixed(word: number): number {
  const half = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2ae35)
  return whole ^ (whole >>> 16)
}

/** The index of the pair, or of the free place for it. */
function place(table: Uint32Array, low: number, high: number): number {
  const mask = table.length - 1
  let at = ((low ^ high) << 1) & mask
  while (table[at] !== 0 && (table[at] !== low || table[at + 1] !== high)) at = (at + 2) & mask
  return at
}

function doubled(table: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * table.length)
  for (let at = 0; at < table.length; at += 2) {
    const low = table[at] ?? 0
    const high = table[at + 1] ?? 0
    if (low === 0) continue
    const to = place(larger, low, high)
    larger[to] = low
    larger[to + 1] = high
  }
  return larger
}
