import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { speaksByCookie } from './session/cookies.ts'

/** What a page of another origin may read of an answer's head, beside what the Fetch standard always lets it. */
const readable = [
  'x-request-id',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`ratelimit-${what}`, `x-ratelimit-${what}`]),
].join(', ')
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

/** What happens to every request first: its id, and who may read the answer. */
export function greet(app: FastifyInstance, isClosing: () => boolean, log: Log): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    if (speaksByCookie(request)) reply.header('cache-control', 'no-store')
    else reply.header('access-control-allow-origin', '*')
    reply.header('access-control-expose-headers', readable)
    if (isClosing()) done(new AnchorageError('unavailable', 'this node is stopping; try again'))
    else if (request.headers.host === undefined && request.raw.httpVersion === '1.1') done(noHost())
    else done()
  })

  app.addHook('onResponse', (request, reply, done) => {
    const { id: requestId, method, url } = request
    log.debug({ requestId, method, url, status: reply.statusCode, ms: reply.elapsedTime }, 'answered')
    done()
  })
}

function noHost(): AnchorageError {
  return new AnchorageError('invalid', 'the host header is missing')
}
