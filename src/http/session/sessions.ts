import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AnchorageError } from '../../core/errors.ts'
import { idOrNotFound } from '../../core/ids.ts'
import { scopesOf, type Session } from '../../core/org.ts'
import type { Browser, ListedSession } from '../../core/sessions.ts'
import type { Auth, Logins } from '../auth.ts'
import { networkOf, type AddressOf } from '../client-address.ts'
import { typed } from '../type-box.ts'
import { cookieOf, dropCookie, loginCookie, sessionCookie, setCookie } from './cookies.ts'
import { showFailures } from './failure-page.ts'
import * as operations from './operations-schema.ts'
import { demandOwnPage, ownOrigin } from './own-origin.ts'
import type { OwnSession, SignedIn } from './schema.ts'

const maxUserAgent = 255
const maxFormBytes = 32 << 10

/** Returns how people log in; throws `not_found` where login is off. */
type DemandLogins = () => Logins

/** The routes to sign in and out, below `/auth`. Where login is off, each of them answers what to configure. */
export function sessionRoutes(
  instance: FastifyInstance,
  logins: Logins | null,
  auth: Auth,
  addressOf: AddressOf,
): void {
  const demandLogins: DemandLogins = () => {
    if (logins === null) throw loginIsOff()
    return logins
  }
  instance.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store').removeHeader('access-control-allow-origin')
    demandLogins()
  })
  instance.register((app, _options, done) => {
    loginRoutes(app, demandLogins, addressOf)
    done()
  })
  ownSessionRoutes(instance, demandLogins, auth)
  instance.register((app, _options, done) => {
    backchannelRoute(app, demandLogins)
    done()
  })
}

/** The routes that a browser navigates to, so failures are pages. */
function loginRoutes(instance: FastifyInstance, demandLogins: DemandLogins, addressOf: AddressOf): void {
  showFailures(instance)
  const app = typed(instance)
  app.get('/login', { schema: operations.login }, async (request, reply) => {
    const { sessions, publicUrl } = demandLogins()
    const { url, login } = await sessions.begin(ownOrigin(request, publicUrl), request.query.return_to ?? '/')
    return reply
      .code(302)
      .header('location', url)
      .header('set-cookie', setCookie(loginCookie, login))
      .send(null)
  })
  app.get('/callback', { schema: operations.callback }, async (request, reply) => {
    // Whether it succeeds or fails, this login is over.
    reply.header('set-cookie', dropCookie(loginCookie))
    const address = addressOf(request)
    const browser = { ...browserOf(request), address, network: networkOf(address) }
    const { session, returnTo } = await demandLogins().sessions.finish(queryOf(request), browser)
    return reply
      .code(302)
      .header('location', returnTo)
      .header('set-cookie', setCookie(sessionCookie, session))
      .send(null)
  })
}

function ownSessionRoutes(instance: FastifyInstance, demandLogins: DemandLogins, auth: Auth): void {
  const app = typed(instance)
  const onRequest = auth.admit()
  const sessionOf = (request: FastifyRequest): Session => {
    const session = auth.sessionOf(request)
    if (session === null) throw noSession()
    return session
  }
  app.get('/session', { schema: operations.getSession, onRequest }, async (request) =>
    signedIn(sessionOf(request)),
  )
  app.get('/sessions', { schema: operations.listSessions, onRequest }, async (request) => {
    const own = sessionOf(request)
    const all = await demandLogins().sessions.list(own)
    return { results: all.map((session) => ownSession(session, own)) }
  })
  app.delete('/sessions/:id', { schema: operations.endSession, onRequest }, async (request, reply) => {
    await demandLogins().sessions.end(
      sessionOf(request),
      idOrNotFound('ses', request.params.id, 'there is no session with this id'),
    )
    return reply.code(204).send(null)
  })
  app.post('/logout', { schema: operations.logout }, async (request, reply) => {
    const { sessions, publicUrl } = demandLogins()
    if (request.headers.authorization !== undefined) throw noSession()
    demandOwnPage(request, publicUrl)
    const ended = await sessions.logout(cookieOf(request, sessionCookie), ownOrigin(request, publicUrl))
    return reply.header('set-cookie', dropCookie(sessionCookie)).send(ended)
  })
}

function backchannelRoute(instance: FastifyInstance, demandLogins: DemandLogins): void {
  instance.removeAllContentTypeParsers()
  instance.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: maxFormBytes },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  )
  typed(instance).post(
    '/backchannel-logout',
    { schema: operations.backchannelLogout },
    async (request, reply) => {
      await demandLogins().sessions.backchannelLogout(request.body.logout_token)
      return reply.send(null)
    },
  )
}

function loginIsOff(): AnchorageError {
  return new AnchorageError(
    'not_found',
    'people cannot log in: the operator must set oidc.issuer and oidc.clientId',
  )
}

function noSession(): AnchorageError {
  return new AnchorageError(
    'forbidden',
    'this route needs the session of a browser; an access token has no session',
  )
}

/** The query as it was sent: the OpenID Connect client parses it by its own rules. */
function queryOf({ raw: { url = '' } }: FastifyRequest): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start)
}

function browserOf(request: FastifyRequest): Omit<Browser, 'address' | 'network'> {
  return {
    login: cookieOf(request, loginCookie),
    session: cookieOf(request, sessionCookie),
    userAgent: request.headers['user-agent']?.slice(0, maxUserAgent) ?? null,
  }
}

function signedIn(session: Session): SignedIn {
  const { id, name, email, operator } = session.user
  return {
    session: { id: session.id, ...times(session) },
    user: { id, name, email, operator },
    memberships: session.memberships.map(({ orgId, slug, role, suspended }) => ({
      org: orgId,
      slug,
      role,
      scopes: suspended === null ? [...scopesOf(role)] : [],
      suspended,
    })),
  }
}

function ownSession(session: ListedSession, own: Session): OwnSession {
  const { id, userAgent, address } = session
  return { id, ...times(session), current: id === own.id, userAgent, address }
}

function times({ createdAt, lastSeenAt, expiresAt }: Session) {
  return {
    createdAt: createdAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  }
}
