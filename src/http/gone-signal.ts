import type { FastifyReply } from 'fastify'
import { AnchorageError } from '../core/errors.ts'

/** A signal that is aborted when the client disconnects before it has been answered. */
export function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort(new AnchorageError('unavailable', 'the client has gone'))
  })
  return gone.signal
}
