import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Session } from '../core/org.ts'
import type { SessionUseCases } from '../core/sessions.ts'
import { principalOfSession, whyNot } from './session-principal.ts'
import type { Principal, OrgPrincipal, Scope } from '../core/token.ts'
import { cookieOf, sessionCookie, speaksByCookie } from './session/cookies.ts'
import { demandOwnPage } from './session/own-origin.ts'

const bearerForm = /^bearer +([^ ].*)$/i
const howTo = 'send the header "Authorization: Bearer TOKEN"'
const orgHeader = 'anchorage-org'

/** Tells who sends a request, by its bearer or its session cookie. */
export interface Auth {
  /**
   * The principal of a request; null if it has no credential. The credential is verified once, however often this is called. Rejects with
   * `unauthenticated` when it is wrong, and `unavailable` when it cannot be verified just now. For a cookie also with `forbidden`, when
   * another site's page sent it, and `not_found`, when the person does not belong to the org that the request names.
   */
  readonly identify: (request: FastifyRequest) => Promise<Principal | null>
  /** The principal as far as it has been verified by now; verifies nothing itself. */
  readonly known: (request: FastifyRequest) => Principal | null
  /**
   * A hook that admits only principals with one of the scopes in `anyOf`, or any principal if it is empty. Runs when only the head of the
   * request has been read.
   */
  readonly admit: (...anyOf: Scope[]) => onRequestAsyncHookHandler
  /** The principal that was admitted. */
  readonly principalOf: (request: FastifyRequest) => Principal
  /** The principal that was admitted; throws `forbidden` if it does not speak for an org. */
  readonly orgPrincipalOf: (request: FastifyRequest) => OrgPrincipal
  /** The session of the principal that was admitted; null if it came with a bearer. */
  readonly sessionOf: (request: FastifyRequest) => Session | null
}

/** How people log in. Without this, session cookies are ignored. */
export interface Logins {
  sessions: SessionUseCases
  /** Our origin as browsers see it; null: the origin that the browser names, on loopback only. */
  publicUrl: string | null
}

interface Known {
  principal: Principal
  session: Session | null
}

/** `verify` throws `unauthenticated` with the reason. If a request has a bearer, its cookies are ignored. */
export function auth(verify: (bearer: string) => Promise<OrgPrincipal>, logins: Logins | null = null): Auth {
  const orSignIn = logins === null ? '' : ', or sign in at /v1/auth/login'
  const identified = new WeakMap<FastifyRequest, Promise<Known | null>>()
  const found = new WeakMap<FastifyRequest, Known | null>()
  const admitted = new WeakMap<FastifyRequest, Known>()
  const identify = (request: FastifyRequest): Promise<Known | null> => {
    const answer = identified.get(request) ?? lookInto(request, verify, logins).then(keep(request))
    identified.set(request, answer)
    return answer
  }
  const keep = (request: FastifyRequest) => (known: Known | null) => {
    found.set(request, known)
    return known
  }
  const knownOf = (request: FastifyRequest): Known => {
    const known = admitted.get(request)
    if (known === undefined)
      throw new AnchorageError('internal', 'a route that needs a principal let a request without one through')
    return known
  }
  return {
    identify: async (request) => (await identify(request))?.principal ?? null,
    known: (request) => found.get(request)?.principal ?? null,
    admit:
      (...anyOf) =>
      async (request) => {
        const known = await identify(request)
        if (known === null)
          throw new AnchorageError('unauthenticated', `an access token is missing: ${howTo}${orSignIn}`)
        demandScope(known, anyOf)
        admitted.set(request, known)
      },
    principalOf: (request) => knownOf(request).principal,
    orgPrincipalOf(request) {
      const { orgId, ...principal } = knownOf(request).principal
      if (orgId === null) throw new AnchorageError('forbidden', 'this needs a token that belongs to an org')
      return { ...principal, orgId }
    },
    sessionOf: (request) => knownOf(request).session,
  }
}

async function lookInto(
  request: FastifyRequest,
  verify: (bearer: string) => Promise<OrgPrincipal>,
  logins: Logins | null,
): Promise<Known | null> {
  const { authorization } = request.headers
  if (authorization === undefined)
    return logins === null || !speaksByCookie(request) ? null : await byCookie(request, logins)
  const bearer = bearerForm.exec(authorization)?.[1]
  if (bearer === undefined)
    throw new AnchorageError(
      'unauthenticated',
      `the authorization header does not hold a bearer token: ${howTo}`,
    )
  return { principal: await verify(bearer), session: null }
}

async function byCookie(request: FastifyRequest, { sessions, publicUrl }: Logins): Promise<Known> {
  demandOwnPage(request, publicUrl)
  const session = await sessions.who(cookieOf(request, sessionCookie) ?? '')
  const header = request.headers[orgHeader]
  const principal = principalOfSession(session, {
    path: orgInPath(request.params),
    header: typeof header === 'string' ? header : undefined,
  })
  return { principal, session }
}

/** The org in the path, for the routes below `/orgs/:org`. */
function orgInPath(params: unknown): string | undefined {
  const org: unknown = typeof params === 'object' && params !== null ? Reflect.get(params, 'org') : undefined
  return typeof org === 'string' ? org : undefined
}

function demandScope({ principal, session }: Known, anyOf: readonly Scope[]): void {
  if (anyOf.length === 0 || anyOf.some((scope) => principal.scopes.has(scope))) return
  if (session !== null) throw whyNot(session, principal, anyOf)
  throw new AnchorageError('forbidden', `this needs an access token with the scope ${anyOf.join(' or ')}`)
}
