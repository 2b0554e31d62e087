import type { Server } from 'node:http'
import type { Clock } from '../core/ports.ts'
import { metricsServer } from '../http/metrics-server.ts'
import { httpServer, type HttpServerOptions } from '../http/server.ts'
import type { EarlyPorts } from './early-ports.ts'

/** The HTTP of a node that serves. */
export interface Served {
  /** The API's URL. */
  url: string
  /** From now on `/v1/ready` says that this node stops. Its ports close `delayMs` later, once `undo` is disposed. */
  stopSoon: (delayMs: number) => void
}

/**
 * Starts to serve HTTP at `ports`. When the node stops, this stops before everything that it uses. After `stopSoon` everything is served
 * on, so that load balancers see the node leave before its port closes. Metrics are served with the API or at an address of their own,
 * never at both.
 */
export async function listen(
  ports: EarlyPorts,
  undo: AsyncDisposableStack,
  { scrape = null, ...options }: HttpServerOptions,
  clock: Pick<Clock, 'sleep'>,
): Promise<Served> {
  if (scrape !== null && ports.metrics !== null) {
    const metrics = metricsServer(scrape, options.log, ports.metrics.server)
    undo.defer(() => metrics.close())
    await metrics.ready()
    ports.metrics.answerWith((request, response) => metrics.routing(request, response))
  }
  let delay: Promise<void> | null = null
  let stopping = false
  const health: HttpServerOptions['health'] = () => ({
    ...options.health(),
    ...(stopping ? { away: 'stopping' } : {}),
  })
  const { server } = ports.api
  const http = httpServer({ ...options, health, scrape: ports.metrics === null ? scrape : null, server })
  undo.defer(async () => {
    stopping = true
    await delay
    await http.close()
  })
  await http.ready()
  ports.api.answerWith((request, response) => http.routing(request, response))
  return {
    url: urlOf(server),
    stopSoon(delayMs) {
      stopping = true
      delay = delayMs > 0 ? clock.sleep(delayMs, new AbortController().signal) : null
    },
  }
}

function urlOf(server: Server): string {
  const at = server.address()
  if (at === null || typeof at === 'string') return String(at)
  const { address, family, port } = at
  if (address === '0.0.0.0' || address === '::') return `http://127.0.0.1:${port}`
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
