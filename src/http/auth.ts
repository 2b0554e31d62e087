import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Session } from '../core/org.ts'
import { callerOfSession, whyNot } from '../core/session-caller.ts'
import type { SessionUseCases } from '../core/session-use-cases.ts'
import type { Caller, Principal, Scope } from '../core/token.ts'
import { cookieOf, sessionCookie, speaksByCookie } from './session/cookies.ts'
import { demandOwnPage } from './session/own-origin.ts'

const bearerForm = /^bearer +([^ ].*)$/i
const howTo = 'send the header "Authorization: Bearer TOKEN"'
const orgHeader = 'anchorage-org'

/** Who each request is, from the moment its bearer or its session cookie was verified. */
export interface Auth {
  /**
   * Who a request says it is; null when it says nothing. It is looked into once, however often it is asked. Rejects
   * `unauthenticated` when what it says is wrong, `unavailable` when nobody can tell; of a cookie also `forbidden`, when another site's page
   * sent it, and `not_found`, when the org that it names is not the person's.
   */
  readonly identify: (request: FastifyRequest) => Promise<Caller | null>
  /** Who a request is known to be by now; nobody is asked. */
  readonly known: (request: FastifyRequest) => Caller | null
  /** A hook that admits only callers with one of `anyOf`, or any caller; runs before anything of the request but its head is read. */
  readonly admit: (...anyOf: Scope[]) => onRequestAsyncHookHandler
  /** Who was admitted. */
  readonly callerOf: (request: FastifyRequest) => Caller
  /** Who was admitted, where an org is spoken for. */
  readonly principalOf: (request: FastifyRequest) => Principal
  /** The session of who was admitted; null when it came with a bearer. */
  readonly sessionOf: (request: FastifyRequest) => Session | null
}

/** How people sign in; their cookies are looked at only where they can. */
export interface People {
  sessions: SessionUseCases
  /** Our origin as browsers see it; null: what they name, on loopback. */
  publicUrl: string | null
}

interface Known {
  caller: Caller
  session: Session | null
}

/** `verify` throws `unauthenticated` with the reason. A request with a bearer is judged by it alone, whatever cookies it has. */
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
      throw new AnchorageError('internal', 'a route that needs a caller admits without one')
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
      if (orgId === null) throw new AnchorageError('forbidden', 'this needs a caller that speaks for an org')
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
    throw new AnchorageError('unauthenticated', `the authorization is not a bearer: ${howTo}`)
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

/** Of the routes below `/orgs/:org`. */
function orgInPath(params: unknown): string | undefined {
  const org: unknown = typeof params === 'object' && params !== null ? Reflect.get(params, 'org') : undefined
  return typeof org === 'string' ? org : undefined
}

function demandScope({ caller, session }: Known, anyOf: readonly Scope[]): void {
  if (anyOf.length === 0 || anyOf.some((scope) => caller.scopes.has(scope))) return
  if (session !== null) throw whyNot(session, caller, anyOf)
  throw new AnchorageError('forbidden', `this needs an access token with the scope ${anyOf.join(' or ')}`)
}
