import type { Node } from '../core/node.ts'
import type { CacheStats } from '../core/ports.ts'
import type { NodeStore } from '../store/store.ts'

/** The nodes, read; `unavailable` when Postgres cannot be asked. */
export async function liveNodes(store: Pick<NodeStore, 'read'>): Promise<LiveNodes> {
  const nodes = new LiveNodes(store)
  await nodes.refresh()
  return nodes
}

/**
 * The nodes as Postgres tells, in memory: read every few seconds by `postgresWatch`, and at once when a node tells of a change.
 * What is here may be old by that time, and older only while Postgres is away; then no pin is accepted either.
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

  /** The same array until it is read again. */
  nodes(): readonly Node[] {
    this.#hits++
    return this.#nodes
  }

  /** Reads them now; `unavailable` when Postgres cannot be asked. Those who ask meanwhile share the reading. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = null))
    return this.#reading
  }

  /** Somebody changed the nodes: reads them, unless that change was read already. */
  async invalidate(version: number): Promise<void> {
    this.#invalidations++
    // a reading under way may have begun before the change
    await this.#reading?.catch(() => {})
    if (this.#version < version) await this.refresh()
  }

  /** Changes may have been missed. */
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
