import { isCode } from '../core/errors.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Log } from '../core/ports.ts'
import type { Store } from '../store/store.ts'
import { systemClock as clock } from './clock.ts'

const postgresPatienceMs = 60_000
const voidBatch = 500
const waiting =
  'Postgres cannot be reached; waiting up to a minute for it: check that it runs at the address in ' +
  'database.url and database.systemUrl'

/**
 * Begins a new incarnation of the node and queues again all work that earlier incarnations left unfinished. Waits for Postgres, which may
 * start later than its nodes. Rejects `invalid`, with what to do, when this version must not serve with the schema or the logins, and
 * `unavailable` when Postgres has not answered for a minute.
 */
export async function bootNode(
  store: Store,
  name: string,
  log: Log,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  await untilReady(store, log, signal)
  log.info({ part: 'postgres', ...(await store.nodes.ways()) }, 'connected to Postgres')
  const node = await store.nodes.boot(name)
  while ((await store.nodes.voidClaims(node, voidBatch)) > 0);
  return node
}

async function untilReady(store: Store, log: Log, signal: AbortSignal): Promise<void> {
  const deadline = clock.steadyMs() + postgresPatienceMs
  for (let told = false; ; told = true) {
    try {
      return await store.nodes.assertReady()
    } catch (error) {
      if (!isCode(error, 'unavailable') || clock.steadyMs() > deadline) throw error
      if (!told) log.warn({ part: 'postgres', err: error }, waiting)
    }
    await clock.sleep(500, signal)
  }
}
