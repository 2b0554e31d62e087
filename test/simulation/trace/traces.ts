import pg from 'pg'
import { silentLog } from '../../../src/core/silent-log.ts'
import { openStore } from '../../../src/store/store.ts'
import { assertAgreement } from '../../../testing/database/agreement.ts'
import { testDatabase } from '../../../testing/servers/postgres.ts'
import { compareTrace } from './compare.ts'
import { times } from './step.ts'
import { StoreSide } from './store-side.ts'

/** Runs traces against a database of its own. */
export interface Traces extends AsyncDisposable {
  /** Runs the trace of a seed; rejects at the first difference. */
  run(seed: number): Promise<void>
}

export async function openTraces(): Promise<Traces> {
  const undo = new AsyncDisposableStack()
  const database = undo.use(await testDatabase())
  const store = undo.use(openStore({ ...database, log: silentLog, unpinGraceMs: times.unpinGraceMs }))
  const system = new pg.Client({ connectionString: database.systemUrl })
  await system.connect()
  undo.defer(() => system.end())
  return {
    async run(seed) {
      await compareTrace(seed, new StoreSide(store, system))
      await assertAgreement(database.systemUrl)
    },
    [Symbol.asyncDispose]: () => undo.disposeAsync(),
  }
}
