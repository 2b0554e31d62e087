import { LRUCache } from 'lru-cache'
import type { CacheStats } from '../core/cache-stats.ts'
import type { SteadyClock } from '../core/ports.ts'

/** A change of the source: of one key, or of every key (null). Within one cache, versions grow in the order in which the changes commit. */
export interface Invalidation {
  version: number
  key: string | null
}

export interface CacheOptions<V> {
  /** How many keys are kept. The least recently used ones are dropped first. */
  max: number
  /** How long an answer is used before it is loaded again. */
  maxAgeMs: (value: V) => number
  /** How long the last answer is still used when the source cannot be asked. */
  maxStaleMs: number
  clock: Pick<SteadyClock, 'steadyMs'>
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
 * Answers that are old by a bounded time at most, no matter who changes their source. Invalidations only shorten that time: they may be
 * lost, late, repeated or out of order. An answer that was loaded after a change was known contains that change, so an invalidation with
 * its version or a lower one leaves it as it is.
 */
export class Cache<V extends object> {
  readonly #options: CacheOptions<V>
  readonly #entries: LRUCache<string, Entry<V>>
  readonly #loading = new Map<string, Loading<V>>()
  #version = 0
  /** The newest change of every key. Answers that were loaded before it are dropped. */
  #versionOfAll = 0
  #hits = 0
  #misses = 0
  #invalidations = 0
  #flushes = 0

  constructor(options: CacheOptions<V>) {
    this.#options = options
    this.#entries = new LRUCache({ max: options.max })
  }

  /** The remembered answer while it is fresh; null when `read` would call `load`. */
  fresh(key: string): V | null {
    const entry = this.#entries.get(key)
    if (entry === undefined || this.#ageMs(entry) >= this.#options.maxAgeMs(entry.value)) return null
    this.#hits++
    return entry.value
  }

  /**
   * The answer for `key`, remembered or from `load`, which is called once for all that wait. When `load` rejects, the last answer is
   * returned for up to `maxStaleMs`, unless `isFinal` says that the rejection is itself the answer.
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

  /** Drops the answers that were loaded before the change. */
  invalidate({ version, key }: Invalidation): void {
    this.#invalidations++
    if (key === null) this.#invalidateAll(version)
    else this.#drop(key, version)
    this.#version = Math.max(this.#version, version)
  }

  /** Drops everything, because changes may have been missed. */
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

  /** An answer that is loaded while a change arrives is given to the callers that asked before the change, and is not kept. */
  #load(key: string, load: () => Promise<V>): Promise<V> {
    const askedAtMs = this.#options.clock.steadyMs()
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

  #ageMs({ askedAtMs }: Entry<V>): number {
    return this.#options.clock.steadyMs() - askedAtMs
  }
}
