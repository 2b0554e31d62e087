import { LRUCache } from 'lru-cache'
import type { CacheStats, Clock } from './ports.ts'

/** A change that was made elsewhere: of one key, or of everything. Versions of one cache grow in the order of the changes' commits. */
export interface Invalidation {
  version: number
  key: string | null
}

export interface CacheOptions<V> {
  /** How many keys are kept; those used longest ago go first. */
  max: number
  /** How long an answer is good without being asked for again. */
  maxAgeMs: (value: V) => number
  /** How long the last answer stands in for a source that cannot be asked. */
  maxStaleMs: number
  clock: Pick<Clock, 'now'>
}

interface Entry<V> {
  value: V
  askedAtMs: number
  /** The newest change that was known when the source was asked. */
  version: number
}

interface Loading<V> {
  answer: Promise<V>
  version: number
}

/**
 * Answers that may be old by a bounded time, whoever changes their source: invalidations only make that time shorter, and may be
 * lost, late, doubled or out of order. An answer that was asked for after a change was known contains that change, so an
 * invalidation of its version or a lower one leaves it as it is.
 */
export class Cache<V extends object> {
  readonly #options: CacheOptions<V>
  readonly #entries: LRUCache<string, Entry<V>>
  readonly #loading = new Map<string, Loading<V>>()
  #version = 0
  /** The newest change of everything: answers that were asked for before it are dropped. */
  #versionOfAll = 0
  #hits = 0
  #misses = 0
  #invalidations = 0
  #flushes = 0

  constructor(options: CacheOptions<V>) {
    this.#options = options
    this.#entries = new LRUCache({ max: options.max })
  }

  /** What is remembered and still good; null when `read` would have to ask. */
  fresh(key: string): V | null {
    const entry = this.#entries.get(key)
    if (entry === undefined || this.#ageMs(entry) >= this.#options.maxAgeMs(entry.value)) return null
    this.#hits++
    return entry.value
  }

  /**
   * The answer for `key`: remembered, or of `load`, which is called once for all that wait. When `load` rejects, the last
   * answer as long as it may stand in, unless `isFinal` tells that the rejection is itself the answer.
   */
  async read(key: string, load: () => Promise<V>, isFinal: (error: unknown) => boolean): Promise<V> {
    const fresh = this.fresh(key)
    if (fresh !== null) return fresh
    this.#misses++
    try {
      return await (this.#loading.get(key)?.answer ?? this.#load(key, load))
    } catch (error) {
      const entry = this.#entries.get(key)
      if (isFinal(error)) this.#entries.delete(key)
      else if (entry !== undefined && this.#ageMs(entry) < this.#options.maxStaleMs) return entry.value
      throw error
    }
  }

  /** Drops what was asked for before the change. */
  invalidate({ version, key }: Invalidation): void {
    this.#invalidations++
    if (key === null) this.#invalidateAll(version)
    else this.#drop(key, version)
    this.#version = Math.max(this.#version, version)
  }

  /** Drops everything: changes may have been missed. */
  flush(): void {
    this.#flushes++
    this.#entries.clear()
    this.#loading.clear()
  }

  stats(): CacheStats {
    return {
      size: this.#entries.size,
      hits: this.#hits,
      misses: this.#misses,
      invalidations: this.#invalidations,
      flushes: this.#flushes,
      version: this.#version,
    }
  }

  /** An answer that was overtaken by a change while it was on its way is given to those who asked before it, and not kept. */
  #load(key: string, load: () => Promise<V>): Promise<V> {
    const askedAtMs = this.#options.clock.now()
    const loading: Loading<V> = { version: this.#version, answer: load() }
    this.#loading.set(key, loading)
    const isCurrent = (): boolean => this.#loading.get(key) === loading
    loading.answer.then(
      (value) => {
        if (!isCurrent()) return
        this.#loading.delete(key)
        this.#entries.set(key, { value, askedAtMs, version: loading.version })
      },
      () => void (isCurrent() && this.#loading.delete(key)),
    )
    return loading.answer
  }

  #drop(key: string, version: number): void {
    if ((this.#entries.peek(key)?.version ?? version) < version) this.#entries.delete(key)
    if ((this.#loading.get(key)?.version ?? version) < version) this.#loading.delete(key)
  }

  #invalidateAll(version: number): void {
    if (version <= this.#versionOfAll) return
    this.#versionOfAll = version
    for (const key of [...this.#entries.keys(), ...this.#loading.keys()]) this.#drop(key, version)
  }

  /** Nobody knows how old an answer of the future is: the clock was set back. */
  #ageMs({ askedAtMs }: Entry<V>): number {
    const ageMs = this.#options.clock.now() - askedAtMs
    return ageMs < 0 ? Infinity : ageMs
  }
}
