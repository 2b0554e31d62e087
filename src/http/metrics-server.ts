import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Log } from '../core/ports.ts'
import { closeGently } from './closing.ts'
import { answerErrors, failure } from './errors.ts'
import { greet, greetingWith, houseRules } from './greet.ts'
import { defaultLimits } from './http-limits.ts'
import { metricsRoute, type Scrape } from './metrics.ts'
import { boundedApp } from './server.ts'
import { Failure } from './spec/schema.ts'

/** A server of `/metrics` alone, with the same bounds as the API, on `server` if it listens already. */
export function metricsServer(scrape: Scrape, log: Log, server?: Server): FastifyInstance {
  const rules = houseRules(null)
  const greeting = greetingWith(rules)
  const app = boundedApp(defaultLimits, rules, greeting, server)
  greet(app, greeting, closeGently(app, defaultLimits.closeGraceMs), log)
  answerErrors(app, () => {}, log)
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(failure('NOT_FOUND', 'only /metrics is served here')),
  )
  app.addSchema(Failure)
  metricsRoute(app, scrape)
  return app
}
