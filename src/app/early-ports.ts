import { once } from 'node:events'
import type { Config } from '../config/config.ts'
import type { ConfigKey } from '../config/keys.ts'
import type { ListenAddress } from '../config/kinds.ts'
import { earlyServer, type EarlyServer } from '../http/starting.ts'
import { inUse } from './free-ports.ts'

/** The addresses of this node's HTTP, which it has before it changes anything anywhere. */
export interface EarlyPorts {
  api: EarlyServer
  /** Null when the metrics have no address of their own. */
  metrics: EarlyServer | null
}

/**
 * Takes the addresses of the API and of the metrics. Requests there are answered that the node is starting. Rejects `unavailable`, with
 * what to do, when an address is in use. Disposing `undo` closes what was not closed before.
 */
export async function takePorts({ http, metrics }: Config, undo: AsyncDisposableStack): Promise<EarlyPorts> {
  return {
    api: await taken(http.listen, 'http.listen', undo),
    metrics: metrics.listen === undefined ? null : await taken(metrics.listen, 'metrics.listen', undo),
  }
}

async function taken(
  { host, port }: ListenAddress,
  option: ConfigKey,
  undo: AsyncDisposableStack,
): Promise<EarlyServer> {
  const early = earlyServer()
  const { server } = early
  undo.defer(() => {
    server.close()
    server.closeAllConnections()
  })
  try {
    server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port })
    await once(server, 'listening')
    return early
  } catch (cause) {
    throw inUse({ host, port }, option, String(cause), cause)
  }
}
