import { connect } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/nats-core'

/**
 * Opens one connection to `url` (one or several `nats://user:password@host:port`, separated by commas), under the client name `name`. The
 * client library's own reconnecting is off: it would queue messages while disconnected, and late hints are of little use.
 */
export function dial(url: string, name: string): Promise<NatsConnection> {
  const parsed = url.split(',').map((one) => new URL(one.trim()))
  const first = parsed[0]
  return connect({
    servers: parsed.map(({ host }) => host),
    ...(first?.username
      ? { user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }
      : {}),
    ...(first?.protocol === 'tls:' ? { tls: {} } : {}),
    name,
    reconnect: false,
    timeout: 2_000,
    pingInterval: 5_000,
    maxPingOut: 2,
    // Capturing a stack trace of each request's caller costs more than the request.
    noAsyncTraces: true,
  })
}
