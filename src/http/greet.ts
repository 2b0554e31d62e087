import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { speaksByCookie } from './session/cookies.ts'

/** The part of an answer's head that a page of another origin may read, beside what the Fetch standard always lets it. */
const readable = [
  'x-request-id',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`ratelimit-${what}`, `x-ratelimit-${what}`]),
].join(', ')
/** With these a page of any origin may read an answer. Every answer has them but those to a cookie. */
export const forAnyPage = { 'access-control-allow-origin': '*', 'access-control-expose-headers': readable }
const takenOver = /^[\w.:-]{1,64}$/

/** What every answer says, whoever asks and whoever writes it. Without `hstsMs` nothing is said of TLS, which is the proxy's. */
export function houseRules(hstsMs: number | null): Record<string, string> {
  const overTls =
    hstsMs === null ? {} : { 'strict-transport-security': `max-age=${Math.floor(hstsMs / 1000)}` }
  // No browser is to read content as another type than we say: meta and names are what clients wrote.
  return { 'x-content-type-options': 'nosniff', ...overTls }
}

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

/** The head that every answer to a request begins with. */
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
