import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RequestSpan, Tracing } from '../core/tracing.ts'

/** Routes that are not traced: probes and scrapes come every few seconds and cause no other work. */
const untold = /\/(health|ready|metrics)$/

/** Traces every request that matches a route, until it is answered. */
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
  // The span is entered here and not in `onRequest`, since a body that arrives later runs in another async context.
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
