import { connect } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/nats-core'

/**
 * One connection to `url` (`nats://user:password@host:port`, one or several separated by commas), called `name` there. The client's
 * own reconnecting is off: it would queue what is published meanwhile, and hints age badly.
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
    // Traces of where a request was made cost more than the request.
    noAsyncTraces: true,
  })
}
