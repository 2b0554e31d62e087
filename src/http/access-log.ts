import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Log } from '../core/ports.ts'
import type { Caller } from '../core/token.ts'
import { routeOf } from './metrics.ts'

/**
 * One line for each answered request, to find again what a client met by its `x-request-id`: what was asked for, the answer, how long it
 * took, and whose it was, by ids alone. No line has a secret or a client's text but that id: the route is its pattern, without what stands
 * in its path or its query.
 */
export function logAnswers(
  app: FastifyInstance,
  known: (request: FastifyRequest) => Caller | null,
  log: Log,
): void {
  app.addHook('onResponse', (request, { statusCode: status, elapsedTime: ms }, done) => {
    const caller = known(request)
    log.info(
      {
        requestId: request.id,
        ...routeOf(request),
        status,
        ms: Math.round(ms * 10) / 10,
        ...(caller !== null && {
          caller: caller.by,
          ...(caller.orgId !== null && { orgId: caller.orgId }),
        }),
      },
      'answered',
    )
    done()
  })
}
