import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { Degradation } from '../core/node.ts'
import { failure } from './errors.ts'
import { Failure, ref } from './spec/schema.ts'

/** The state of this node. It is read at every probe, so it must come from memory. */
export interface Health {
  node: { id: string; name: string }
  version: string
  /** Why a working node wants no new traffic; null when it accepts traffic. */
  away: 'draining' | 'stopping' | null
  /** The degraded parts. While `postgres` or its `schema` is among them, nothing can be served; the others only make work take longer. */
  reasons: Degradation[]
}

const Reasons = Type.Array(Type.Object({ what: Type.String(), reason: Type.String() }))
const Ready = Type.Object(
  { status: Type.Enum(['ok', 'degraded'], { type: 'string' }), reasons: Reasons },
  {
    description:
      'Send requests to this node; `reasons` lists the degraded parts, which only make work slower',
  },
)
const NotReady = Type.Object(
  { ...Failure.properties, status: Type.Enum(['unavailable'], { type: 'string' }), reasons: Reasons },
  { description: 'Send no requests to this node' },
)
const Healthy = Type.Object(
  {
    status: Type.Enum(['ok', 'degraded', 'unavailable'], { type: 'string' }),
    reasons: Reasons,
    version: Type.String(),
    node: Type.Object({ id: Type.String(), name: Type.String() }),
  },
  { description: 'The process is alive; `status` says whether it is ready' },
)

/** Tells load balancers and monitors, without a token, whether the process is alive and whether to send it requests. */
export function healthRoutes(app: FastifyInstance, health: () => Health): void {
  app.get(
    '/health',
    {
      schema: {
        operationId: 'getHealth',
        summary: 'Check whether the process is alive: 200 whenever it can answer',
        tags: ['node'],
        security: [],
        response: { 200: Healthy },
      },
    },
    (_request, reply) => {
      const { node, version, ...state } = health()
      return reply.header('cache-control', 'no-store').send({ ...report(state), version, node })
    },
  )
  app.get(
    '/ready',
    {
      schema: {
        operationId: 'getReady',
        summary:
          'Check whether to send requests to this node: 503 when it is draining or stopping, or its ' +
          'schema is old, or Postgres cannot be reached',
        tags: ['node'],
        security: [],
        response: { 200: Ready, 503: NotReady, '4xx': ref(Failure) },
      },
    },
    (_request, reply) => {
      const { status, reasons } = report(health())
      reply.header('cache-control', 'no-store')
      if (status !== 'unavailable') return reply.send({ status, reasons })
      const details = reasons.map(({ reason }) => reason).join('; ')
      return reply.code(503).send({ ...failure('SERVICE_UNAVAILABLE', details), status, reasons })
    },
  )
}

/** Whether `/v1/ready` answers that this node is ready. */
export function isReady(health: Pick<Health, 'away' | 'reasons'>): boolean {
  return report(health).status !== 'unavailable'
}

function report({ away, reasons }: Pick<Health, 'away' | 'reasons'>) {
  const blocking = reasons.filter(({ what }) => what === 'postgres' || what === 'schema')
  const leaving = away === null ? [] : [{ what: 'node', reason: `this node is ${away}` }]
  const status = leaving.length + blocking.length > 0 ? 'unavailable' : reasons.length > 0 ? 'degraded' : 'ok'
  return { status, reasons: [...leaving, ...reasons] }
}
