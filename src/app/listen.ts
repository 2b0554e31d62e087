import { AnchorageError } from '../core/errors.ts'
import { metricsServer } from '../http/metrics-server.ts'
import { httpServer, type HttpServerOptions } from '../http/server.ts'
import type { ListenAddress } from '../config/kinds.ts'
import type { Config } from '../config/config.ts'

/**
 * Starts to serve HTTP. When the node stops, this stops first, and meanwhile health reports `stopping`. Metrics are served with the API or
 * on a listener of their own, never on both. Resolves with the API's URL. Rejects `unavailable` when an address is taken.
 */
export async function listen(
  config: Config,
  undo: AsyncDisposableStack,
  { scrape = null, ...options }: HttpServerOptions,
): Promise<string> {
  const apart = config.metrics.listen
  if (scrape !== null && apart !== undefined) {
    const server = metricsServer(scrape, options.log)
    undo.defer(() => server.close())
    await listenAt(server, apart, 'metrics.listen')
  }
  let stopping = false
  const health: HttpServerOptions['health'] = () => ({
    ...options.health(),
    ...(stopping ? { away: 'stopping' } : {}),
  })
  const http = httpServer({ ...options, health, scrape: apart === undefined ? scrape : null })
  undo.defer(async () => {
    stopping = true
    await http.close()
  })
  return await listenAt(http, config.http.listen, 'http.listen')
}

async function listenAt(
  server: ReturnType<typeof httpServer>,
  { host, port }: ListenAddress,
  option: 'http.listen' | 'metrics.listen',
): Promise<string> {
  try {
    return await server.listen({ host, port })
  } catch (cause) {
    throw new AnchorageError(
      'unavailable',
      `cannot listen on ${host}:${port}: free this address, or change ${option}: ${String(cause)}`,
      {
        cause,
      },
    )
  }
}
