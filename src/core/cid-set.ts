/** What a set may hold, and which part of all CIDs is its. */
export interface CidSetOptions {
  /** Anything; another one for each set, so that nobody can craft two CIDs that look alike in it. */
  seed: number
  /** CIDs it takes; those beyond are not added, and it is `full`. */
  max: number
  /** All CIDs fall into so many buckets … */
  buckets: number
  /** … of which it holds this one. */
  bucket: number
}

const firstCapacity = 1_024

/**
 * A set of CIDs in 16 bytes each: it keeps 63-bit fingerprints. Of n CIDs in it, one that is not is taken for one that is with a
 * chance of n in 2^63.
 */
export class CidSet {
  readonly #options: CidSetOptions
  /** Pairs of words, open addressing, at most half full; a low word of 0 is a free place. */
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

  /** True when a CID of this bucket was left out for want of room: the set says nothing about absence then. */
  get full(): boolean {
    return this.#full
  }

  /** Whether `cid` belongs to this bucket at all. */
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

  /** Two lanes of murmur-like mixing; a CID's own text is random already. */
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

/** Where the pair stands, or the free place for it. */
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
