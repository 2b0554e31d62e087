import { minter, type Minter } from '../../auth/minter.ts'
import type { Config } from '../../config/config.ts'
import { storeUrls } from '../../config/database-urls.ts'
import { createLog } from '../../app/log.ts'
import { masterKey } from '../../config/master-key.ts'
import type { TokenStore } from '../../core/ports.ts'
import { openStore } from '../../store/store.ts'
import { localOperator } from './local-operator.ts'

/** Runs `work` on the store that the node's own config names. No node needs to run. */
export async function withTokenStore<T>(config: Config, work: (store: TokenStore) => Promise<T>): Promise<T> {
  await using store = openStore({
    ...storeUrls(config),
    log: createLog({ level: 'warn', pretty: true }),
    maxTokens: config.tokens.maxPerOrg,
  })
  return await work(store.tokens)
}

/** Like `withTokenStore`, with a minter that uses the node's master key. */
export async function withMinter<T>(
  config: Config,
  work: (mint: Minter, store: TokenStore) => Promise<T>,
): Promise<T> {
  const key = await masterKey(config)
  return await withTokenStore(config, (store) =>
    work(minter({ store, masterKey: key, actor: localOperator() }), store),
  )
}
