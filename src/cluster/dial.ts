import { connect } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/nats-core'
import { AnchorageError } from '../core/errors.ts'
import { foreignNats, ownerOf } from './cluster-identity.ts'
import type { Link } from './connect.ts'
import { explain } from './nats-error.ts'

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

/**
 * A connection for one command, which ends with it: nothing is made there, and what was published is on its way when it is disposed of.
 * `clusterId`: given for an outside NATS, which may be another cluster's. Rejects `unavailable` when there is no connection at
 * once, and `invalid` when that NATS is another cluster's.
 */
export async function connectOnce(url: string, clusterId?: string): Promise<Link & AsyncDisposable> {
  const nc = await dial(url, 'operator').catch((cause: unknown) => {
    throw new AnchorageError('unavailable', `NATS cannot be reached: ${explain(cause)}`, { cause })
  })
  try {
    const owner = clusterId === undefined ? null : await ownerOf(nc)
    if (clusterId !== undefined && owner !== null && owner !== clusterId) throw foreignNats(owner, clusterId)
  } catch (cause) {
    await nc.close()
    if (cause instanceof AnchorageError) throw cause
    throw new AnchorageError('unavailable', `JetStream does not answer: ${explain(cause)}`, { cause })
  }
  return {
    connection: () => (nc.isClosed() ? null : nc),
    subscribe(subject, onMessage) {
      const subscription = nc.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) onMessage(message)
        },
      })
      return () => subscription.unsubscribe()
    },
    // It has been made, and there is no other.
    onConnected: () => () => {},
    [Symbol.asyncDispose]: () => nc.drain(),
  }
}
