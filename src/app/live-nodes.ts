import type { CacheStats } from '../core/cache-stats.ts'
import type { Node } from '../core/node.ts'
import type { NodeStore } from '../store/nodes.ts'

/** Reads the nodes for the first time. Rejects `unavailable` when Postgres cannot be reached. */
export async function liveNodes(store: Pick<NodeStore, 'read'>): Promise<LiveNodes> {
  const nodes = new LiveNodes(store)
  await nodes.refresh()
  return nodes
}

/**
 * The nodes as they are in Postgres, kept in memory. `postgresWatch` reads them every few seconds, and a message from another node makes
 * this node read them at once. They are older than that only while Postgres is down, when no pin is accepted either.
 */
export class LiveNodes {
  readonly #store: Pick<NodeStore, 'read'>
  #nodes: readonly Node[] = []
  #version = 0
  #reading: Promise<void> | null = null
  #hits = 0
  #reads = 0
  #invalidations = 0
  #flushes = 0

  constructor(store: Pick<NodeStore, 'read'>) {
    this.#store = store
  }

  /** Returns the same array until the nodes are read again. */
  nodes(): readonly Node[] {
    this.#hits++
    return this.#nodes
  }

  /** Reads the nodes now. Rejects `unavailable` when Postgres cannot be reached. Concurrent callers share one read. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = null))
    return this.#reading
  }

  /** Reads the nodes again, unless the change has been read already. */
  async invalidate(version: number): Promise<void> {
    this.#invalidations++
    // a read under way may have begun before the change
    await this.#reading?.catch(() => {})
    if (this.#version < version) await this.refresh()
  }

  /** Reads the nodes again, because messages about changes may have been missed. */
  async flush(): Promise<void> {
    this.#flushes++
    await this.#reading?.catch(() => {})
    await this.refresh()
  }

  stats(): CacheStats {
    return {
      size: this.#nodes.length,
      hits: this.#hits,
      misses: this.#reads,
      invalidations: this.#invalidations,
      flushes: this.#flushes,
      version: this.#version,
    }
  }

  async #read(): Promise<void> {
    this.#reads++
    const { nodes, version } = await this.#store.read()
    this.#nodes = nodes
    this.#version = version
  }
}
