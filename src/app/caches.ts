import type { RememberedTokens } from '../auth/verifier.ts'
import type { NodeNatsLink, NatsLink } from '../cluster/nats-link.ts'
import { onInvalidation, publishInvalidation } from '../cluster/invalidation.ts'
import type { CacheName, CacheStats } from '../core/cache-stats.ts'
import type { TokenId } from '../core/ids.ts'
import type { Log, TokenStore } from '../core/ports.ts'
import { aborted } from '../process/aborted.ts'
import type { LiveNodes } from './live-nodes.ts'

/**
 * This node's caches of rows in Postgres. Messages from other nodes invalidate entries. When a message is lost, the change is seen once the
 * entry is too old and is read again.
 */
export interface NodeCaches {
  /** For this node's report about itself. */
  stats(): Record<CacheName, CacheStats>
  /** Listens for invalidations, and tells the other nodes that this one has booted. */
  run(signal: AbortSignal): Promise<void>
}

export interface CacheParts {
  nodes: LiveNodes
  tokens: RememberedTokens
  store: Pick<TokenStore, 'cacheVersion'>
  link: NodeNatsLink
  log: Log
}

export function nodeCaches({ nodes, tokens, store, link, log }: CacheParts): NodeCaches {
  const later = (err: unknown): void =>
    log.debug({ err }, 'the nodes could not be read from Postgres; they are read again soon')
  return {
    stats: () => ({ nodes: nodes.stats(), tokens: tokens.stats() }),
    async run(signal) {
      using undo = new DisposableStack()
      undo.defer(
        onInvalidation(link, ({ cache, version, key }) => {
          // any other name is a cache that only another version of anchorage has
          if (cache === 'tokens') tokens.invalidate({ version, key })
          if (cache === 'nodes') nodes.invalidate(version).catch(later)
        }),
      )
      undo.defer(
        link.onConnected(() => {
          tokens.flush()
          nodes.flush().catch(later)
        }),
      )
      await link
        .connected(signal)
        .then(() => announceNodesChanged(link, store))
        .catch((err: unknown) =>
          log.debug(
            { err },
            'the other nodes could not be notified that this node started; they notice it soon',
          ),
        )
      await aborted(signal)
    },
  }
}

/**
 * Tells every node to read the list of nodes now. Rejects when the message cannot be sent; the nodes then read it within seconds anyway.
 */
export async function announceNodesChanged(
  link: NatsLink,
  store: Pick<TokenStore, 'cacheVersion'>,
): Promise<void> {
  const version = await store.cacheVersion('nodes')
  publishInvalidation(link, { cache: 'nodes', version, key: null })
}

/** Tells every node to look up a token again. Throws when the message cannot be sent; the nodes then look it up within seconds anyway. */
export function announceRevokedToken(link: NatsLink, id: TokenId, version: number): void {
  publishInvalidation(link, { cache: 'tokens', version, key: id })
}
