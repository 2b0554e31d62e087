import type { RememberedTokens } from '../auth/verifier.ts'
import type { Invalidation } from '../core/cache.ts'
import type { CacheName, CacheStats, Log, TokenStore } from '../core/ports.ts'
import type { LiveNodes } from './live-nodes.ts'

/** How nodes tell one another of changes; messages may be lost, late, doubled or out of order. */
export interface InvalidationBus {
  /** Tells all other nodes, if it can. */
  publishInvalidation(change: CacheChange): void
  /** Hands over what others tell; returns how to stop that. */
  onInvalidation(onChange: (change: CacheChange) => void): () => void
  /** Calls at each connection to NATS after the first; returns how to stop that. */
  onReconnected(onReturn: () => void): () => void
}

export interface CacheChange extends Invalidation {
  cache: CacheName
}

/** What this node remembers of Postgres, kept young by what other nodes tell. */
export interface NodeCaches extends Disposable {
  /** For the report of this node. */
  stats(): Record<CacheName, CacheStats>
  /** This node, or somebody through it, changed the nodes: all read them again, this one too. Without NATS the others do within seconds. */
  nodesChanged(): Promise<void>
}

export interface CacheParts {
  nodes: LiveNodes
  tokens: RememberedTokens
  store: Pick<TokenStore, 'cacheVersion'>
  bus: InvalidationBus
  log: Log
}

/** Joins the caches to the bus, until disposed of. What cannot be read again at once is read again by its age. */
export function nodeCaches({ nodes, tokens, store, bus, log }: CacheParts): NodeCaches {
  const later = (err: unknown): void => log.debug({ err }, 'the nodes are read again later')
  const offInvalidation = bus.onInvalidation(({ cache, ...change }) => {
    if (cache === 'tokens') tokens.invalidate(change)
    else nodes.invalidate(change.version).catch(later)
  })
  const offReconnected = bus.onReconnected(() => {
    tokens.flush()
    nodes.flush().catch(later)
  })
  return {
    stats: () => ({ nodes: nodes.stats(), tokens: tokens.stats() }),
    async nodesChanged() {
      const version = await store.cacheVersion('nodes')
      bus.publishInvalidation({ cache: 'nodes', version, key: null })
      await nodes.invalidate(version)
    },
    [Symbol.dispose]() {
      offInvalidation()
      offReconnected()
    },
  }
}
