import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RequestSpan, Tracing } from '../core/tracing.ts'

/** Probes and scrapes come every few seconds and cause nothing. */
const untold = /\/(health|ready|metrics)$/

/** Follows every request that a route takes, until it is answered. */
export function traceRequests(app: FastifyInstance, begin: NonNullable<Tracing['request']>): void {
  const under = new WeakMap<FastifyRequest, RequestSpan>()
  app.addHook('onRequest', (request, _reply, done) => {
    const { method, id: requestId, is404, routeOptions, headers } = request
    const route = routeOptions.url
    if (is404 || route === undefined || untold.test(route)) return done()
    const { traceparent } = headers
    const told = typeof traceparent === 'string' ? traceparent : undefined
    under.set(request, begin({ method, route, requestId, traceparent: told }))
    done()
  })
  // Only here: a body that arrives later comes out of another chain of events.
  app.addHook('preHandler', (request, _reply, done) => {
    const span = under.get(request)
    if (span === undefined) done()
    else span.run(done)
  })
  app.addHook('onResponse', (request, reply, done) => {
    under.get(request)?.end(reply.statusCode)
    done()
  })
}
