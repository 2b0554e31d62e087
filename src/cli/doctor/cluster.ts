import type { Config } from '../../app/config.ts'
import { withLogin, type ClusterFacts } from '../../store/inspect.ts'

/** What Postgres knows of the other nodes; null while it cannot be asked, which is a finding of another check. */
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
