import type { Config } from '../../config/config.ts'
import { withLogin, type ClusterFacts } from '../../store/inspect.ts'

/** The other nodes according to Postgres; null while Postgres cannot be asked, which another check reports. */
export async function clusterOf(
  { database, node }: Config,
  signal: AbortSignal,
): Promise<ClusterFacts | null> {
  const url = database.systemUrl
  if (url === undefined) return null
  try {
    return await withLogin({ url: url.reveal(), role: 'anchorage_system', signal }, (look) =>
      look.cluster(node.name),
    )
  } catch {
    signal.throwIfAborted()
    return null
  }
}
