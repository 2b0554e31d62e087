import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { speaksByCookie } from './session/cookies.ts'

/** The headers of an answer that a page of another origin may read, besides those that the Fetch standard always allows. */
const readable = [
  'x-request-id',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`ratelimit-${what}`, `x-ratelimit-${what}`]),
].join(', ')
/** With these headers a page of any origin may read an answer. Every answer has them, except those to requests with a session cookie. */
export const forAnyPage = { 'access-control-allow-origin': '*', 'access-control-expose-headers': readable }
const takenOver = /^[\w.:-]{1,64}$/

/**
 * The headers that every answer has, whichever part of the server writes it. Without `hstsMs` there is no HSTS header, since TLS is the
 * proxy's.
 */
export function houseRules(hstsMs: number | null): Record<string, string> {
  const overTls =
    hstsMs === null ? {} : { 'strict-transport-security': `max-age=${Math.floor(hstsMs / 1000)}` }
  // Browsers must not read content as another type than we say, since meta and names are written by clients.
  return { 'x-content-type-options': 'nosniff', ...overTls }
}

/** Makes request ids that are unique without asking the system for randomness each time. An id from a proxy is kept. */
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

/**
 * Runs first for every request: sets the headers that every answer has, and refuses requests without a host, or while the server is
 * closing.
 */
export function greet(app: FastifyInstance, greeting: Greeting, isClosing: () => boolean, log: Log): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(greeting(request))
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

/** The headers that every answer to a request begins with. */
export type Greeting = (request: FastifyRequest) => Record<string, string>

export function greetingWith(rules: Record<string, string>): Greeting {
  return (request) => {
    const forWhom = speaksByCookie(request) ? { 'cache-control': 'no-store' } : forAnyPage
    return { 'x-request-id': request.id, ...rules, ...forWhom }
  }
}

function noHost(): AnchorageError {
  return new AnchorageError('invalid', 'the host header is missing')
}
