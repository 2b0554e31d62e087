import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Log } from '../core/ports.ts'
import type { Principal } from '../core/token.ts'
import { routeOf } from './metrics.ts'

/**
 * Logs one line for each answered request: the route, the answer, how long it took, and the ids of the principal. By its `x-request-id` an
 * operator finds the request that a client asks about. A line holds no secret, and no text of the client's except that id: the route is
 * logged as its pattern, without the values in its path or query.
 */
export function logAnswers(
  app: FastifyInstance,
  known: (request: FastifyRequest) => Principal | null,
  log: Log,
): void {
  app.addHook('onResponse', (request, { statusCode: status, elapsedTime: ms }, done) => {
    const principal = known(request)
    log.info(
      {
        requestId: request.id,
        ...routeOf(request),
        status,
        ms: Math.round(ms * 10) / 10,
        ...(principal !== null && {
          actor: principal.actor,
          ...(principal.orgId !== null && { orgId: principal.orgId }),
        }),
      },
      'answered',
    )
    done()
  })
}
