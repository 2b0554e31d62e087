import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import Type from 'typebox'
import { AnchorageError } from '../core/errors.ts'
import { isWithin, socketAddress } from './client-address.ts'
import { Failure, ref } from './spec/schema.ts'

/** What Prometheus reads, and who may read it. */
export interface Scrape {
  /** Networks (CIDRs) from whose addresses it is read. */
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

/** Tells of every answer. Paths and methods that no route takes are made up by clients, so they are not told. */
export function tellAnswers(app: FastifyInstance, onAnswer: (answer: Answer) => void): void {
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
 * `/metrics`, for sockets within `allow` and nobody else. A request that a proxy passed on is refused wherever it comes from: the socket is
 * the proxy's then, and a proxy on this machine would open the metrics to all of its clients. No token is asked for, so pages of other origins
 * must not read the answer.
 */
export function metricsRoute(app: FastifyInstance, { allow, read }: Scrape): void {
  const isAllowed = isWithin(allow)
  const admit: onRequestHookHandler = (request, reply, done) => {
    reply.removeHeader('access-control-allow-origin').removeHeader('access-control-expose-headers')
    const address = socketAddress(request.raw.socket)
    if (isPassedOn(request)) done(refused('metrics are not read through a proxy'))
    else if (!isAllowed(address)) done(refused(`metrics.allow does not name the network of ${address}`))
    else done()
  }
  const schema = {
    operationId: 'getMetrics',
    summary: 'What Prometheus scrapes; open to the networks of metrics.allow',
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

/** Headers that proxies add, each by itself or with others; an empty one counts. */
const proxyHeader = /^(?:forwarded|via|x-real-ip|x-forwarded-.*)$/

function isPassedOn({ headers }: FastifyRequest): boolean {
  return Object.keys(headers).some((name) => proxyHeader.test(name))
}

function refused(message: string): AnchorageError {
  return new AnchorageError('forbidden', message)
}
