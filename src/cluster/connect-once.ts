import { AnchorageError } from '../core/errors.ts'
import { foreignNats, ownerOf } from './cluster-identity.ts'
import type { Link } from './connect.ts'
import { dial } from './dial.ts'
import { explain } from './nats-error.ts'

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
