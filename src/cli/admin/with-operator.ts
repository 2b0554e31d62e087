import { announceRevokedToken } from '../../app/caches.ts'
import { natsOnce } from '../../app/nats.ts'
import { operators } from '../../app/operators.ts'
import { orgsOf } from '../../app/orgs.ts'
import { policyOf } from '../../app/placement-policy.ts'
import { proveMasterKey } from '../../auth/master-key-proof.ts'
import { minter, type Minter } from '../../auth/minter.ts'
import type { Config } from '../../config/config.ts'
import { storeUrls } from '../../config/database-urls.ts'
import { masterKey } from '../../config/master-key.ts'
import { adopt } from '../../core/adopt.ts'
import type { NodeId, TokenId } from '../../core/ids.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import type { AnyPrincipal, OrgUseCases } from '../../core/orgs.ts'
import type { Scope } from '../../core/token.ts'
import { openStore, type Store } from '../../store/store.ts'
import { terseLog } from '../terse-log.ts'
import type { Io } from '../verb.ts'
import { localOperator } from './local-operator.ts'

/** The use cases of an operator, and the person who is the operator. */
export interface Operator {
  use: OperatorUseCases
  orgs: OrgUseCases
  store: Pick<Store, 'orgs' | 'orgDirectory' | 'tokens' | 'operator'>
  /** Makes the unwanted pins of a node pins of an org; see core's `adopt`. */
  adopt: (nodeId: NodeId, org: string) => AsyncGenerator<number>
  /**
   * Opens the minter of tokens with the master key of the config. Rejects `invalid` when it does not open the signing key, except with
   * `newMasterKey`.
   */
  minter: (options?: { newMasterKey?: boolean }) => Promise<Minter>
  /**
   * Ends a token: at once on every node that can be reached, within seconds on the others. Rejects with `not_found` when there is no such
   * token.
   */
  revokeToken: (id: TokenId) => Promise<void>
  /** The actor that the audit names: the operator's login on this machine. */
  actor: string
  /** The same person, as the principal of the use cases in `orgs`. */
  principal: AnyPrincipal
}

/**
 * Runs `work` with the operators' use cases on the database that the config names. No node needs to run. If NATS is
 * reachable, the nodes are notified of changes; otherwise they see the changes by themselves.
 */
export async function withOperator<T>(
  config: Config,
  io: Pick<Io, 'err' | 'json'>,
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const log = terseLog(io)
  await using store = openStore({
    ...storeUrls(config),
    log,
    replicas: config.pin.replicas,
    maxTokens: config.tokens.maxPerOrg,
  })
  await using links = new AsyncDisposableStack()
  const link = async () => links.use(await natsOnce(config, await store.nodes.clusterId()))
  const use = operators({ config, store, link, log })
  const actor = localOperator()
  const revokeToken = async (id: TokenId): Promise<void> => {
    const { tokens, version } = await store.tokens.revokeToken(id, actor)
    try {
      const nats = await link()
      // also when the token had ended before: the attempt that ended it may not have reached the nodes
      for (const gone of new Set([id, ...tokens])) announceRevokedToken(nats, gone, version)
    } catch (err) {
      log.warn({ err }, 'the nodes could not be notified; they see the change by themselves within seconds')
    }
  }
  return await work({
    use,
    orgs: orgsOf({ config, store, link, log }),
    store,
    adopt: (nodeId, org) =>
      adopt(
        { store, nodes: () => store.nodes.list(), room: policyOf(config), now: Date.now },
        { nodeId, org, actor },
      ),
    minter: async ({ newMasterKey = false } = {}) => {
      const key = await masterKey(config)
      if (!newMasterKey) await proveMasterKey(store.tokens, key)
      return minter({ store: store.tokens, masterKey: key, actor })
    },
    revokeToken,
    actor,
    principal: { actor, orgId: null, scopes: new Set<Scope>(['cluster:admin']) },
  })
}
