import { hostname, userInfo } from 'node:os'
import { requireKeys, type Config } from '../../app/config.ts'
import { tellTokenRevoked } from '../../app/caches.ts'
import { natsOnce } from '../../app/nats.ts'
import { operators } from '../../app/operators.ts'
import type { OperatorUseCases } from '../../core/operator-use-cases.ts'
import type { TokenId } from '../../core/ids.ts'
import type { TokenStore } from '../../core/ports.ts'
import { openStore } from '../../store/store.ts'
import { terseLog } from '../terse-log.ts'
import type { Io } from '../verb.ts'

/** What an operators' verb works with. */
export interface Operator {
  use: OperatorUseCases
  orgs: Pick<TokenStore, 'orgBySlug'>
  /** Ends a token, on every node at once that can be told, on the others within seconds. `not_found` when there is none. */
  revokeToken: (id: TokenId) => Promise<void>
  /** Who the audit names: the operator's login on this machine. */
  actor: string
}

/**
 * Runs `work` with the operators' use cases on the database that the node's own config names: no node needs to be running. The
 * nodes are told of changes if NATS is there; else they find out by themselves.
 */
export async function withOperator<T>(
  given: Config,
  io: Pick<Io, 'err'>,
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const config = requireKeys(given, ['database.url', 'database.systemUrl'])
  const log = terseLog(io)
  await using store = openStore({
    tenantUrl: config.database.url.reveal(),
    systemUrl: config.database.systemUrl.reveal(),
    log,
  })
  await using links = new AsyncDisposableStack()
  const link = async () => links.use(await natsOnce(config, await store.nodes.clusterId()))
  const use = operators({ config, store, link, log })
  const revokeToken = async (id: TokenId): Promise<void> => {
    const { version } = await store.tokens.revokeToken(id)
    try {
      tellTokenRevoked(await link(), id, version)
    } catch (err) {
      log.warn({ err }, 'the nodes could not be told; they find out by themselves within seconds')
    }
  }
  return await work({
    use,
    orgs: store.tokens,
    revokeToken,
    actor: `operator:${userInfo().username}@${hostname()}`,
  })
}
