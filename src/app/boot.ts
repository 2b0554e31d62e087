import { isCode } from '../core/errors.ts'
import type { Remembered } from '../core/marks.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Log } from '../core/ports.ts'
import type { Store } from '../store/store.ts'
import { systemClock as clock } from './clock.ts'
import { readRemembered } from './remembered.ts'

const postgresPatienceMs = 60_000
const voidBatch = 500
const waiting =
  'Postgres cannot be reached; waiting up to a minute for it: check that it runs at the address in ' +
  'database.url and database.systemUrl'

/** The node as it boots. */
export interface Booted {
  node: NodeIdentity
  clusterId: string
  /** What it remembers of the database from its last start; null when it remembers nothing. */
  remembered: Remembered | null
}

/**
 * Begins a new incarnation of the node and queues again all work that earlier incarnations left unfinished. Waits for Postgres, which may
 * start later than its nodes. Rejects `invalid`, with what to do, when this version must not serve with the schema or the logins, and
 * `unavailable` when Postgres has not answered for a minute.
 */
export async function bootNode(
  store: Store,
  name: string,
  dataDir: string,
  log: Log,
  signal: AbortSignal,
): Promise<Booted> {
  await untilReady(store, log, signal)
  log.info({ part: 'postgres', ...(await store.nodes.ways()) }, 'connected to Postgres')
  const clusterId = await store.nodes.clusterId()
  const remembered = await readRemembered(dataDir, clusterId)
  const node = await store.nodes.boot(name, null, remembered?.incarnation)
  while ((await store.nodes.voidClaims(node, voidBatch)) > 0);
  return { node, clusterId, remembered }
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
