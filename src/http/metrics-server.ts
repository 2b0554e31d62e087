import fastify, { type FastifyInstance } from 'fastify'
import type { Log } from '../core/ports.ts'
import { answerBrokenHttp } from './broken-http.ts'
import { closeGently } from './closing.ts'
import { answerBadPath, answerErrors, failure } from './errors.ts'
import { greet, greetingWith, houseRules, requestIds } from './greet.ts'
import { defaultLimits } from './http-limits.ts'
import { metricsRoute, type Scrape } from './metrics.ts'
import { guardSockets, settingsOf } from './server.ts'
import { Failure } from './spec/schema.ts'

/** A server of `/metrics` alone, for a separate listener, with the same bounds as the API. It does not listen yet. */
export function metricsServer(scrape: Scrape, log: Log): FastifyInstance {
  const rules = houseRules(null)
  const greeting = greetingWith(rules)
  const app = fastify({
    ...settingsOf(defaultLimits),
    genReqId: requestIds(),
    clientErrorHandler: answerBrokenHttp(rules),
    frameworkErrors: answerBadPath(greeting),
  })
  guardSockets(app.server, defaultLimits, rules)
  greet(app, greeting, closeGently(app, defaultLimits.closeGraceMs), log)
  answerErrors(app, () => {}, log)
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(failure('NOT_FOUND', 'only /metrics is served here')),
  )
  app.addSchema(Failure)
  metricsRoute(app, scrape)
  return app
}
