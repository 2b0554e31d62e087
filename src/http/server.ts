import type { Server } from 'node:http'
import fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { OperatorUseCases } from '../core/operators.ts'
import type { OrgUseCases } from '../core/orgs.ts'
import type { PinUseCases } from '../core/pins.ts'
import type { Log, RateStore } from '../core/ports.ts'
import type { OrgPrincipal } from '../core/token.ts'
import type { TokenUseCases } from '../core/tokens.ts'
import type { Tracing } from '../core/tracing.ts'
import { logAnswers } from './access-log.ts'
import { adminRoutes } from './admin/admin.ts'
import { namedAdminSchemas } from './admin/schema.ts'
import { auth, type Logins } from './auth.ts'
import { answerBrokenHttp, answerUnusualHttp } from './broken-http.ts'
import { clientAddress } from './client-address.ts'
import { closeGently } from './closing.ts'
import { docs } from './docs.ts'
import { answerBadPath, answerErrors } from './errors.ts'
import { greet, greetingWith, houseRules, requestIds, type Greeting } from './greet.ts'
import { healthRoutes } from './health.ts'
import type { Health } from './health.ts'
import { readJson } from './json-body.ts'
import { defaultLimits } from './http-limits.ts'
import type { HttpLimits } from './http-limits.ts'
import { metricsRoute, observeAnswers, type Answer, type Scrape } from './metrics.ts'
import { orgRoutes } from './orgs/orgs.ts'
import { namedOrgSchemas } from './orgs/schema.ts'
import { pageRoutes } from './pages/pages.ts'
import { limitRates, type RateLimits } from './rate-limits.ts'
import { noteRefusals } from './refusals.ts'
import { answerUnroutedEarly, noteRoutes, slashes } from './routing.ts'
import { namedSessionSchemas } from './session/schema.ts'
import { sessionRoutes } from './session/sessions.ts'
import { pinRoutes } from './spec/pins.ts'
import { namedSchemas } from './spec/schema.ts'
import { namedTokenSchemas } from './tokens/schema.ts'
import { tokenRoutes } from './tokens/tokens.ts'
import { traceRequests } from './tracing.ts'
import { endUnreadAnswers } from './unread-answer.ts'
import { discardUnread } from './unread-body.ts'
import { validation } from './validation.ts'

export interface HttpServerOptions {
  pins: PinUseCases
  operator: OperatorUseCases
  orgs: OrgUseCases
  tokens: TokenUseCases
  /** Rejects with `unauthenticated` and the reason, or with `unavailable`. */
  verify: (bearer: string) => Promise<OrgPrincipal>
  /** Without it people cannot log in, and only bearers identify principals. */
  logins?: Logins | null
  health: () => Health
  /** Without it there is no `/metrics` here. */
  scrape?: Scrape | null
  /** Called for every answer. */
  onAnswer?: (answer: Answer) => void
  /** Called for every request or connection that a limit refused, with the name of the limit. */
  onLimit?: (limit: string) => void
  /** Without it no request is traced. */
  trace?: Tracing['request']
  /** Networks (CIDRs) of proxies whose `X-Forwarded-For` is trusted. If empty, every client has the address of its socket. */
  trustProxy?: readonly string[]
  /** Without it requests are not counted. */
  rateLimits?: RateLimits
  /** The counts that all nodes share; without it each node counts for itself. */
  rates?: RateStore | null
  /** How long browsers must use TLS only (HSTS); null: answers do not say so. */
  hstsMs?: number | null
  /** A line at `info` for each answered request. */
  accessLog?: boolean
  log: Log
  limits?: Partial<HttpLimits>
  /** A server that listens already. Without it, `listen` makes one. */
  server?: Server
}

/** Builds the whole HTTP server of a node from its use cases. `close()` lets requests under way finish. */
export function httpServer({
  pins,
  operator,
  orgs,
  tokens,
  verify,
  logins = null,
  health,
  scrape = null,
  onAnswer,
  onLimit,
  trace = null,
  trustProxy = [],
  rateLimits,
  rates = null,
  hstsMs = null,
  accessLog = false,
  log,
  limits,
  server,
}: HttpServerOptions): FastifyInstance {
  const bounds = { ...defaultLimits, ...limits }
  const rules = houseRules(hstsMs)
  const greeting = greetingWith(rules)
  const app = boundedApp(bounds, rules, greeting, server)

  const routing = noteRoutes(app)
  greet(app, greeting, closeGently(app, bounds.closeGraceMs), log)
  if (onAnswer !== undefined) observeAnswers(app, onAnswer)
  if (trace !== null) traceRequests(app, trace)
  const admission = auth(verify, logins)
  if (accessLog) logAnswers(app, admission.known, log)
  const addressOf = clientAddress(trustProxy)
  if (rateLimits) limitRates(app, rateLimits, admission, addressOf, rates)
  answerUnroutedEarly(app, routing)
  answerErrors(app, noteRefusals(app, admission.known, addressOf, log, onLimit), log)
  readJson(app)
  for (const schema of allNamed) app.addSchema(schema)

  docs(app)
  app.register(pageRoutes)
  if (scrape !== null) below(app, '', (part) => metricsRoute(part, scrape))
  app.register(
    (v1, _options, done) => {
      pinRoutes(v1, pins, admission)
      healthRoutes(v1, health)
      below(v1, '/tokens', (part) => tokenRoutes(part, tokens, admission))
      below(v1, '/orgs', (part) => orgRoutes(part, orgs, admission))
      below(v1, '/auth', (part) => sessionRoutes(part, logins, admission, addressOf))
      below(v1, '/admin', (part) => adminRoutes(part, operator, orgs, admission))
      done()
    },
    { prefix: '/v1' },
  )
  return app
}

/** Options of Fastify and of the Node server below it. */
export function settingsOf(bounds: HttpLimits) {
  return {
    bodyLimit: bounds.maxBodyBytes,
    requestTimeout: bounds.requestTimeoutMs,
    keepAliveTimeout: bounds.keepAliveMs,
    http: {
      maxHeaderSize: bounds.maxHeadBytes,
      headersTimeout: bounds.headTimeoutMs,
      connectionsCheckingInterval: bounds.timeoutCheckMs,
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: bounds.maxHeadBytes, ...slashes },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
  } as const
}

/**
 * Fastify within `bounds`. Requests to a `server` that listens already reach it only once its `routing` answers them.
 */
export function boundedApp(
  bounds: HttpLimits,
  rules: Record<string, string>,
  greeting: Greeting,
  server: Server | undefined,
): FastifyInstance {
  const app = fastify({
    ...settingsOf(bounds),
    ...(server === undefined ? {} : { serverFactory: () => server }),
    genReqId: requestIds(),
    clientErrorHandler: answerBrokenHttp(rules),
    frameworkErrors: answerBadPath(greeting),
    ...validation,
  })
  guardSockets(app.server, bounds, rules)
  return app
}

/** Applies the bounds that hold below the routes, for sockets and for HTTP that reaches no route. */
function guardSockets(server: Server, bounds: HttpLimits, rules: Record<string, string>): void {
  server.maxConnections = bounds.maxConnections
  answerUnusualHttp(server, rules)
  discardUnread(server, bounds)
  endUnreadAnswers(server, bounds)
}

const allNamed = [
  ...namedSchemas,
  ...namedTokenSchemas,
  ...namedOrgSchemas,
  ...namedSessionSchemas,
  ...namedAdminSchemas,
]

/** Registers routes whose hooks apply to them alone. */
function below(app: FastifyInstance, prefix: string, routes: (part: FastifyInstance) => void): void {
  app.register(
    (part, _options, done) => {
      routes(part)
      done()
    },
    { prefix },
  )
}
