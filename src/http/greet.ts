import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { answerUnrouted } from './routing.ts'
import type { Routing } from './routing.ts'

const takenOver = /^[\w.:-]{1,64}$/

/** Ids that are unique without asking the system for randomness each time; a proxy's own id is kept. */
export function requestIds(): (request: Pick<IncomingMessage, 'headers'>) => string {
  const boot = randomBytes(6).toString('hex')
  let count = 0
  return ({ headers }) => {
    const given = headers['x-request-id']
    if (typeof given === 'string' && takenOver.test(given)) return given
    count += 1
    return `${boot}-${count.toString(36)}`
  }
}

/** What happens to every request before its route: its id, who may read the answer, and whether there is a route at all. */
export function greet(app: FastifyInstance, routing: Routing, isClosing: () => boolean, log: Log): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    reply.header('access-control-allow-origin', '*')
    reply.header('access-control-expose-headers', 'x-request-id, retry-after')
    if (isClosing()) done(new AnchorageError('unavailable', 'this node is stopping; try again'))
    else if (request.headers.host === undefined && request.raw.httpVersion === '1.1') done(noHost())
    else if (request.is404) answerUnrouted(routing, request, reply)
    else done()
  })
  app.setNotFoundHandler((request, reply) => answerUnrouted(routing, request, reply))

  app.addHook('onResponse', (request, reply, done) => {
    const { id: requestId, method, url } = request
    log.debug({ requestId, method, url, status: reply.statusCode, ms: reply.elapsedTime }, 'answered')
    done()
  })
}

function noHost(): AnchorageError {
  return new AnchorageError('invalid', 'the host header is missing')
}
