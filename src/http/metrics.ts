import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import Type from 'typebox'
import { AnchorageError } from '../core/errors.ts'
import { isWithin, socketAddress } from './client-address.ts'
import { Failure, ref } from './spec/schema.ts'

/** The metrics for Prometheus, and who may read them. */
export interface Scrape {
  /** Networks (CIDRs) whose addresses may read the metrics. */
  allow: readonly string[]
  /** The type and text of one answer. */
  read: () => Promise<{ type: string; text: string }>
}

/** An answered request. */
export interface Answer {
  method: string
  /** The pattern of the route; `none` when no route matches. */
  route: string
  status: number
  ms: number
}

/** Calls `onAnswer` for every answer. If no route matches, path and method are left out, since clients make them up. */
export function observeAnswers(app: FastifyInstance, onAnswer: (answer: Answer) => void): void {
  app.addHook('onResponse', (request, { statusCode: status, elapsedTime: ms }, done) => {
    onAnswer({ ...routeOf(request), status, ms })
    done()
  })
}

/** The method and the pattern of a request's route. */
export function routeOf({ is404, method, routeOptions }: FastifyRequest): Pick<Answer, 'method' | 'route'> {
  const route = is404 ? undefined : routeOptions.url
  return route === undefined ? { method: 'any', route: 'none' } : { method, route }
}

/**
 * Serves `/metrics` to sockets within `allow` and to no others. A request that a proxy passed on is always refused: its socket is the
 * proxy's, and a proxy on this machine would open the metrics to all of its clients. No token is needed, so pages of other origins must not
 * be able to read the answer.
 */
export function metricsRoute(app: FastifyInstance, { allow, read }: Scrape): void {
  const isAllowed = isWithin(allow)
  const admit: onRequestHookHandler = (request, reply, done) => {
    reply.removeHeader('access-control-allow-origin').removeHeader('access-control-expose-headers')
    const address = socketAddress(request.raw.socket)
    if (isPassedOn(request)) done(refused('metrics cannot be read through a proxy'))
    else if (!isAllowed(address)) done(refused(`metrics.allow does not contain the network of ${address}`))
    else done()
  }
  const schema = {
    operationId: 'getMetrics',
    summary: 'Read the metrics, for Prometheus; only from the networks in metrics.allow',
    tags: ['node'],
    security: [],
    response: {
      200: {
        description: 'All metrics of this node',
        content: { 'text/plain': { schema: Type.String() } },
      },
      '4xx': ref(Failure),
    },
  }
  app.get('/metrics', { onRequest: admit, schema }, async (_request, reply) => {
    const { type, text } = await read()
    return reply.type(type).header('cache-control', 'no-store').send(text)
  })
}

/** Headers that proxies add. Any one of them is enough, even if it is empty. */
const proxyHeader = /^(?:forwarded|via|x-real-ip|x-forwarded-.*)$/

function isPassedOn({ headers }: FastifyRequest): boolean {
  return Object.keys(headers).some((name) => proxyHeader.test(name))
}

function refused(message: string): AnchorageError {
  return new AnchorageError('forbidden', message)
}
