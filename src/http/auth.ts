import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Session } from '../core/org.ts'
import type { SessionUseCases } from '../core/sessions.ts'
import { callerOfSession, whyNot } from './session-caller.ts'
import type { Caller, Principal, Scope } from '../core/token.ts'
import { cookieOf, sessionCookie, speaksByCookie } from './session/cookies.ts'
import { demandOwnPage } from './session/own-origin.ts'

const bearerForm = /^bearer +([^ ].*)$/i
const howTo = 'send the header "Authorization: Bearer TOKEN"'
const orgHeader = 'anchorage-org'

/** Tells who sends a request, by its bearer or its session cookie. */
export interface Auth {
  /**
   * The caller of a request; null if it has no credential. The credential is verified once, however often this is called. Rejects with
   * `unauthenticated` when it is wrong, and `unavailable` when it cannot be verified just now. For a cookie also with `forbidden`, when
   * another site's page sent it, and `not_found`, when the person does not belong to the org that the request names.
   */
  readonly identify: (request: FastifyRequest) => Promise<Caller | null>
  /** The caller as far as it has been verified by now; verifies nothing itself. */
  readonly known: (request: FastifyRequest) => Caller | null
  /**
   * A hook that admits only callers with one of the scopes in `anyOf`, or any caller if it is empty. Runs when only the head of the request
   * has been read.
   */
  readonly admit: (...anyOf: Scope[]) => onRequestAsyncHookHandler
  /** The caller that was admitted. */
  readonly callerOf: (request: FastifyRequest) => Caller
  /** The caller that was admitted; throws `forbidden` if it does not speak for an org. */
  readonly principalOf: (request: FastifyRequest) => Principal
  /** The session of the caller that was admitted; null if it came with a bearer. */
  readonly sessionOf: (request: FastifyRequest) => Session | null
}

/** How people sign in. Without this, session cookies are ignored. */
export interface People {
  sessions: SessionUseCases
  /** Our origin as browsers see it; null: the origin that the browser names, on loopback only. */
  publicUrl: string | null
}

interface Known {
  caller: Caller
  session: Session | null
}

/** `verify` throws `unauthenticated` with the reason. If a request has a bearer, its cookies are ignored. */
export function auth(verify: (bearer: string) => Promise<Principal>, people: People | null = null): Auth {
  const orSignIn = people === null ? '' : ', or sign in at /v1/auth/login'
  const identified = new WeakMap<FastifyRequest, Promise<Known | null>>()
  const found = new WeakMap<FastifyRequest, Known | null>()
  const admitted = new WeakMap<FastifyRequest, Known>()
  const identify = (request: FastifyRequest): Promise<Known | null> => {
    const answer = identified.get(request) ?? lookInto(request, verify, people).then(keep(request))
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
      throw new AnchorageError('internal', 'a route that needs a caller let a request without one through')
    return known
  }
  return {
    identify: async (request) => (await identify(request))?.caller ?? null,
    known: (request) => found.get(request)?.caller ?? null,
    admit:
      (...anyOf) =>
      async (request) => {
        const known = await identify(request)
        if (known === null)
          throw new AnchorageError('unauthenticated', `an access token is missing: ${howTo}${orSignIn}`)
        demandScope(known, anyOf)
        admitted.set(request, known)
      },
    callerOf: (request) => knownOf(request).caller,
    principalOf(request) {
      const { orgId, ...caller } = knownOf(request).caller
      if (orgId === null) throw new AnchorageError('forbidden', 'this needs a token that belongs to an org')
      return { ...caller, orgId }
    },
    sessionOf: (request) => knownOf(request).session,
  }
}

async function lookInto(
  request: FastifyRequest,
  verify: (bearer: string) => Promise<Principal>,
  people: People | null,
): Promise<Known | null> {
  const { authorization } = request.headers
  if (authorization === undefined)
    return people === null || !speaksByCookie(request) ? null : await byCookie(request, people)
  const bearer = bearerForm.exec(authorization)?.[1]
  if (bearer === undefined)
    throw new AnchorageError(
      'unauthenticated',
      `the authorization header does not hold a bearer token: ${howTo}`,
    )
  return { caller: await verify(bearer), session: null }
}

async function byCookie(request: FastifyRequest, { sessions, publicUrl }: People): Promise<Known> {
  demandOwnPage(request, publicUrl)
  const session = await sessions.who(cookieOf(request, sessionCookie) ?? '')
  const header = request.headers[orgHeader]
  const caller = callerOfSession(session, {
    path: orgInPath(request.params),
    header: typeof header === 'string' ? header : undefined,
  })
  return { caller, session }
}

/** The org in the path, for the routes below `/orgs/:org`. */
function orgInPath(params: unknown): string | undefined {
  const org: unknown = typeof params === 'object' && params !== null ? Reflect.get(params, 'org') : undefined
  return typeof org === 'string' ? org : undefined
}

function demandScope({ caller, session }: Known, anyOf: readonly Scope[]): void {
  if (anyOf.length === 0 || anyOf.some((scope) => caller.scopes.has(scope))) return
  if (session !== null) throw whyNot(session, caller, anyOf)
  throw new AnchorageError('forbidden', `this needs an access token with the scope ${anyOf.join(' or ')}`)
}
