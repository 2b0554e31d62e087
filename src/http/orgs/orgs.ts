import type { FastifyInstance } from 'fastify'
import type { OrgUseCases } from '../../core/orgs.ts'
import { auditWire } from '../admin/admin-wire.ts'
import { cursorOf, readAdminQuery } from '../admin/read-admin-query.ts'
import type { Auth } from '../auth.ts'
import { typed, type TypedApp } from '../type-box.ts'
import * as operations from './operations-schema.ts'
import * as wire from './org-wire.ts'

const page = 100

/** The routes of orgs, below `/orgs`. The use cases decide which orgs a principal may see, and in which role. */
export function orgRoutes(instance: FastifyInstance, orgs: OrgUseCases, auth: Auth): void {
  instance.addHook('preValidation', async (request) => {
    // oxlint-disable-next-line no-param-reassign -- where Fastify looks for what it validates
    request.query = readAdminQuery(request)
  })
  const app = typed(instance)
  ofOrgs(app, orgs, auth)
  ofMembers(app, orgs, auth)
}

function ofOrgs(app: TypedApp, orgs: OrgUseCases, { admit, principalOf }: Auth): void {
  const read = admit('pins:read', 'org:admin', 'cluster:admin')
  const operate = admit('cluster:admin')

  app.get('', { schema: operations.listOrgs, onRequest: admit() }, async (request) => {
    const { after = '', limit = page } = request.query
    return { results: (await orgs.list(principalOf(request), { after, limit })).map(wire.listedOrgWire) }
  })
  app.post('', { schema: operations.createOrg, onRequest: operate }, async (request, reply) => {
    const { slug, ...change } = request.body
    return reply
      .code(201)
      .send(wire.orgWire(await orgs.create(principalOf(request), slug, wire.orgChange(change))))
  })
  app.get('/:org', { schema: operations.getOrg, onRequest: read }, async (request) =>
    wire.orgWire(await orgs.get(principalOf(request), request.params.org)),
  )
  app.put('/:org/limits', { schema: operations.setOrgLimits, onRequest: read }, async (request) =>
    wire.orgWire(await orgs.set(principalOf(request), request.params.org, wire.orgChange(request.body))),
  )
  app.get('/:org/usage', { schema: operations.getOrgUsage, onRequest: read }, async (request) =>
    wire.usageWire(await orgs.usage(principalOf(request), request.params.org)),
  )
  app.get(
    '/:org/audit',
    { schema: operations.listOrgAudit, onRequest: admit('org:admin', 'cluster:admin') },
    async (request) => {
      const { before, limit = page } = request.query
      const query = { limit, ...(before !== undefined && { before: cursorOf(before, 'before') }) }
      return { results: (await orgs.audit(principalOf(request), request.params.org, query)).map(auditWire) }
    },
  )
}

function ofMembers(app: TypedApp, orgs: OrgUseCases, { admit, principalOf }: Auth): void {
  const read = admit('pins:read', 'org:admin', 'cluster:admin')
  const administer = admit('org:admin', 'cluster:admin')

  app.get('/:org/members', { schema: operations.listMembers, onRequest: read }, async (request) => ({
    results: (await orgs.members(principalOf(request), request.params.org)).map(wire.memberWire),
  }))
  app.put('/:org/members/:user', { schema: operations.setMember, onRequest: administer }, async (request) => {
    const { org, user } = request.params
    return wire.memberWire(await orgs.setMember(principalOf(request), org, user, request.body.role))
  })
  app.delete(
    '/:org/members/:user',
    { schema: operations.removeMember, onRequest: read },
    async (request, reply) => {
      const { org, user } = request.params
      await orgs.removeMember(principalOf(request), org, user)
      return reply.code(204).send(null)
    },
  )
}
