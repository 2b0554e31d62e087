import type { FastifyInstance, FastifyRequest } from 'fastify'
import { idOrNotFound, type PlanId } from '../../core/ids.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import type { OrgUseCases } from '../../core/orgs.ts'
import type { Auth } from '../auth.ts'
import { orgWire } from '../orgs/org-wire.ts'
import { typed, type TypedApp } from '../type-box.ts'
import * as wire from './admin-wire.ts'
import * as operations from './operations-schema.ts'
import { auditQuery, readAdminQuery } from './read-admin-query.ts'

const plansPage = 20
const movesPage = 100

/** The actor that the audit log names for a request. */
type ActorOf = (request: FastifyRequest) => string

/** The operators' routes, below `/admin`: every one needs the scope `cluster:admin`. */
export function adminRoutes(
  instance: FastifyInstance,
  operator: OperatorUseCases,
  orgs: OrgUseCases,
  auth: Auth,
): void {
  instance.addHook('onRequest', auth.admit('cluster:admin'))
  instance.addHook('preValidation', async (request) => {
    // oxlint-disable-next-line no-param-reassign -- where Fastify looks for what it validates
    request.query = readAdminQuery(request)
  })
  const app = typed(instance)
  const actorOf: ActorOf = (request) => auth.principalOf(request).actor
  nodeRoutes(app, operator, actorOf)
  maintenanceRoutes(app, operator, actorOf)
  planRoutes(app, operator, actorOf)
  stopRoutes(app, orgs, auth)
  readRoutes(app, operator)
}

function nodeRoutes(app: TypedApp, operator: OperatorUseCases, actorOf: ActorOf): void {
  const inFull = async (id: string) => {
    const view = await operator.node(id)
    const drain = view.node.state === 'active' ? null : await operator.drainOf(view.node.id)
    return wire.nodeInFullWire(view, drain)
  }
  app.get('/nodes', { schema: operations.listNodes }, async () => ({
    results: (await operator.nodes()).map(wire.nodeWire),
  }))
  app.get('/nodes/:id', { schema: operations.getNode }, async ({ params }) => await inFull(params.id))
  app.post('/nodes/:id/drain', { schema: operations.drainNode }, async (request, reply) => {
    const drain = await operator.drain(request.params.id, actorOf(request))
    return reply.code(202).send(wire.drainWire(drain))
  })
  app.post('/nodes/:id/uncordon', { schema: operations.uncordonNode }, async (request) => {
    const { id } = await operator.uncordon(request.params.id, actorOf(request))
    return await inFull(id)
  })
}

function maintenanceRoutes(app: TypedApp, operator: OperatorUseCases, actorOf: ActorOf): void {
  app.get('/maintenance', { schema: operations.getMaintenance }, async () =>
    wire.maintenanceWire(await operator.maintenance()),
  )
  app.put('/maintenance', { schema: operations.beginMaintenance }, async (request) => {
    const { reason, ttlSeconds } = request.body
    const asked = { reason, ttlMs: ttlSeconds === undefined ? null : ttlSeconds * 1000 }
    return wire.maintenanceWire(await operator.beginMaintenance(asked, actorOf(request)))
  })
  app.delete('/maintenance', { schema: operations.endMaintenance }, async (request) => {
    await operator.endMaintenance(actorOf(request))
    return wire.maintenanceWire(null)
  })
}

function planRoutes(app: TypedApp, operator: OperatorUseCases, actorOf: ActorOf): void {
  app.get('/plans', { schema: operations.listPlans }, async ({ query }) => ({
    results: (await operator.plans(query.limit ?? plansPage)).map(wire.planWire),
  }))
  app.post('/plans', { schema: operations.makePlan }, async (request, reply) => {
    const gone = new AbortController()
    // A plan of very many moves takes seconds to make, so it is given up when the client disconnects.
    reply.raw.once('close', () => gone.abort(new Error('the client went away')))
    return reply.code(201).send(wire.planWire(await operator.makePlan(actorOf(request), gone.signal)))
  })
  app.get('/plans/:id', { schema: operations.getPlan }, async ({ params, query }) => {
    const id = planIdOf(params.id)
    const plan = wire.planProgressWire(await operator.plan(id))
    const moves = await operator.moves(id, query.afterNumber ?? 0, query.limit ?? movesPage)
    return { plan, moves: moves.map(wire.moveWire) }
  })
  app.post('/plans/:id/apply', { schema: operations.applyPlan }, async (request) =>
    wire.planProgressWire(await operator.applyPlan(planIdOf(request.params.id), actorOf(request))),
  )
  app.post('/plans/:id/pause', { schema: operations.pausePlan }, async (request) =>
    wire.planProgressWire(await operator.pausePlan(planIdOf(request.params.id), actorOf(request))),
  )
  app.post('/plans/:id/cancel', { schema: operations.cancelPlan }, async (request) =>
    wire.planProgressWire(await operator.cancelPlan(planIdOf(request.params.id), actorOf(request))),
  )
}

/** Routes that suspend, resume and remove an org; all other routes of orgs are below `/orgs`. */
function stopRoutes(app: TypedApp, orgs: OrgUseCases, { principalOf }: Auth): void {
  app.post('/orgs/:org/suspend', { schema: operations.suspendOrg }, async (request) =>
    orgWire(await orgs.suspend(principalOf(request), request.params.org, request.body.reason)),
  )
  app.post('/orgs/:org/resume', { schema: operations.resumeOrg }, async (request) =>
    orgWire(await orgs.resume(principalOf(request), request.params.org)),
  )
  app.post('/orgs/:org/remove', { schema: operations.removeOrg }, async (request, reply) =>
    reply
      .code(202)
      .send(orgWire(await orgs.remove(principalOf(request), request.params.org, request.body.confirm))),
  )
}

/** Routes that only read. */
function readRoutes(app: TypedApp, operator: OperatorUseCases): void {
  app.get('/status', { schema: operations.getStatus }, async () => wire.statusWire(await operator.status()))
  app.get('/presences', { schema: operations.listPresences }, async () => ({
    results: wire.presencesWire(await operator.statuses()),
  }))
  app.get('/caches', { schema: operations.listCaches }, async () => ({
    results: (await operator.statuses()).map(wire.nodeCachesWire),
  }))
  app.get('/audit', { schema: operations.listAudit }, async ({ query }) => ({
    results: (await operator.audit(auditQuery(query))).map(wire.auditWire),
  }))
}

function planIdOf(text: string): PlanId {
  return idOrNotFound('pln', text, 'there is no plan with this id')
}
