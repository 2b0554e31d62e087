import { after } from 'node:test'
import pg from 'pg'
import { silentLog } from '../../src/core/silent-log.ts'
import { openStore, type Store, type StoreOptions } from '../../src/store/store.ts'
import { testDatabase, type TestDatabase } from '../servers/postgres.ts'

export interface TestStore {
  database: TestDatabase
  store: Store
  /** A login as the system, for what no port of the store tells. */
  system: pg.Client
}

/** A store on a database of its own, for all tests of the file that calls this. All of it ends after those tests. */
export async function testStore(options: Partial<StoreOptions> = {}): Promise<TestStore> {
  const undo = new AsyncDisposableStack()
  after(() => undo.disposeAsync())
  const database = undo.use(await testDatabase())
  const store = undo.use(openStore({ ...database, log: silentLog, ...options }))
  const system = new pg.Client({ connectionString: database.systemUrl })
  await system.connect()
  undo.defer(() => system.end())
  return { database, store, system }
}
