import type { Config } from '../config/config.ts'
import { storeUrls } from '../config/database-urls.ts'
import { masterKey } from '../config/master-key.ts'
import { configProblems } from '../config/problems.ts'
import { AnchorageError } from '../core/errors.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Log } from '../core/ports.ts'
import type { Store } from '../store/store.ts'
import { systemClock as clock } from './clock.ts'
import { openDataFolder } from './data-folder.ts'
import { takePorts } from './early-ports.ts'
import { endOnUncaught } from './uncaught.ts'

/** Takes this node's place on its machine, its data folder and its ports, and reads its secrets. */
export async function takePlace(config: Config, log: Log, undo: AsyncDisposableStack) {
  const problems = await configProblems(config, log)
  if (problems.length > 0) throw new AnchorageError('invalid', problems.join('\n'))
  const { id: folderId } = undo.use(await openDataFolder(config.data.dir))
  return {
    urls: storeUrls(config),
    key: await masterKey(config),
    folderId,
    ports: await takePorts(config, undo),
  }
}

/** How long a stop waits for Postgres to note that the name is free. Without the note, it is free a little later. */
const leavePatienceMs = 2_000

async function leave(store: Store, node: NodeIdentity, log: Log): Promise<void> {
  const late = new AbortController()
  const noted = store.nodes
    .leave(node)
    .catch((err: unknown) => log.debug({ err }, 'the name of this node is free in 15 s'))
    .finally(() => late.abort())
  await Promise.race([noted, clock.sleep(leavePatienceMs, late.signal).catch(() => {})])
  log.info({}, 'this node has stopped')
}

/** How a node that runs ends by itself. */
export interface Ended {
  /** Rejects with an error that was not caught, or with any other reason for which this node ends itself. */
  promise: Promise<never>
  reject: (reason: unknown) => void
  hasEnded: () => boolean
}

/** The end of this node. At a stop, the name is freed last. */
export function endOf(
  { store, node, log }: { store: Store; node: NodeIdentity; log: Log },
  undo: AsyncDisposableStack,
): Ended {
  undo.defer(() => leave(store, node, log))
  const { promise, reject } = Promise.withResolvers<never>()
  let hasEnded = false
  promise.catch(() => (hasEnded = true))
  undo.use(endOnUncaught(log, reject))
  return { promise, reject, hasEnded: () => hasEnded }
}
