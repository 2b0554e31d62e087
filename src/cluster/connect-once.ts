import { AnchorageError } from '../core/errors.ts'
import { foreignNats, ownerOf } from './cluster-identity.ts'
import type { NatsLink } from './nats-link.ts'
import { dial } from './dial.ts'
import { explain } from './nats-error.ts'

/**
 * A connection for one command. It creates nothing in NATS, and disposing of it sends out what was published. `clusterId` is given for an
 * outside NATS, which may belong to another cluster. Rejects with `unavailable` when there is no connection at once, and with `invalid`
 * when that NATS belongs to another cluster.
 */
export async function connectOnce(url: string, clusterId?: string): Promise<NatsLink & AsyncDisposable> {
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
    // The one connection exists already, and there will be no other.
    onConnected: () => () => {},
    [Symbol.asyncDispose]: () => nc.drain(),
  }
}
