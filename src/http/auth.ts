import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Caller, Principal, Scope } from '../core/token.ts'

const bearerForm = /^bearer +([^ ].*)$/i
const howTo = 'send the header "Authorization: Bearer TOKEN"'

/** Who each request is, from the moment its bearer was verified. */
export interface Auth {
  /**
   * Who a request says it is; null when it says nothing. It is looked into once, however often it is asked. Rejects
   * `unauthenticated` when what it says is wrong, `unavailable` when nobody can tell.
   */
  readonly identify: (request: FastifyRequest) => Promise<Caller | null>
  /** A hook that admits only callers with one of `anyOf`; runs before anything of the request but its head is read. */
  readonly admit: (...anyOf: [Scope, ...Scope[]]) => onRequestAsyncHookHandler
  /** Who was admitted. */
  readonly callerOf: (request: FastifyRequest) => Caller
  /** Who was admitted, where an org is spoken for. */
  readonly principalOf: (request: FastifyRequest) => Principal
}

/** `verify` throws `unauthenticated` with the reason. */
export function auth(verify: (bearer: string) => Promise<Principal>): Auth {
  const identified = new WeakMap<FastifyRequest, Promise<Caller | null>>()
  const admitted = new WeakMap<FastifyRequest, Caller>()
  const identify = (request: FastifyRequest): Promise<Caller | null> => {
    const answer = identified.get(request) ?? lookInto(request, verify)
    identified.set(request, answer)
    return answer
  }
  const callerOf = (request: FastifyRequest): Caller => {
    const caller = admitted.get(request)
    if (caller === undefined)
      throw new AnchorageError('internal', 'a route that needs a caller admits without one')
    return caller
  }
  return {
    identify,
    callerOf,
    admit:
      (...anyOf) =>
      async (request) => {
        const principal = await identify(request)
        if (principal === null)
          throw new AnchorageError('unauthenticated', `an access token is missing: ${howTo}`)
        if (!anyOf.some((scope) => principal.scopes.has(scope))) {
          throw new AnchorageError(
            'forbidden',
            `this needs an access token with the scope ${anyOf.join(' or ')}`,
          )
        }
        admitted.set(request, principal)
      },
    principalOf(request) {
      const { orgId, ...caller } = callerOf(request)
      if (orgId === null) throw new AnchorageError('forbidden', 'this needs a caller that speaks for an org')
      return { ...caller, orgId }
    },
  }
}

async function lookInto(
  { headers: { authorization } }: FastifyRequest,
  verify: (bearer: string) => Promise<Principal>,
): Promise<Principal | null> {
  if (authorization === undefined) return null
  const bearer = bearerForm.exec(authorization)?.[1]
  if (bearer === undefined)
    throw new AnchorageError('unauthenticated', `the authorization is not a bearer: ${howTo}`)
  return await verify(bearer)
}
