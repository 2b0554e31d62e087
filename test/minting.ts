import { loadConfig, requireKeys } from '../src/config/config.ts'
import { masterKey } from '../src/config/master-key.ts'
import { minter, type Minter } from '../src/auth/minter.ts'
import { stampFor } from '../src/auth/seal.ts'
import type { Stamp } from '../src/core/sessions.ts'
import { openStore, type Store } from '../src/store/store.ts'
import type { World } from '../testing/world/world.ts'
import { silentLog } from '../src/core/silent-log.ts'

/** The functions of the operators' verbs without a process for each, for tests in which milliseconds matter. */
export interface Minting extends AsyncDisposable {
  minter: Minter
  store: Store
  /** The stamp of session cookies. */
  stamp: Stamp
}

/** Opens the store of a world with its database and its master key. */
export async function mintingFor(world: World): Promise<Minting> {
  const config = loadConfig({ env: await world.env() })
  const { database } = requireKeys(config, ['database.url', 'database.systemUrl'])
  const store = openStore({
    tenantUrl: database.url.reveal(),
    systemUrl: database.systemUrl.reveal(),
    log: silentLog,
  })
  const key = await masterKey(config)
  return {
    minter: minter({ store: store.tokens, masterKey: key }),
    store,
    stamp: stampFor(key, 'session cookie'),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
