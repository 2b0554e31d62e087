import type { FastifyInstance } from 'fastify'
import type { TokenUseCases } from '../../core/tokens.ts'
import { readAdminQuery } from '../admin/read-admin-query.ts'
import type { Auth } from '../auth.ts'
import { typed } from '../type-box.ts'
import * as operations from './operations-schema.ts'
import { newToken, tokenWire } from './token-wire.ts'

const page = 1000

/** The routes of tokens, below `/tokens`. */
export function tokenRoutes(instance: FastifyInstance, tokens: TokenUseCases, auth: Auth): void {
  const { admit, orgPrincipalOf } = auth
  instance.addHook('onRequest', admit('tokens:manage'))
  instance.addHook('preValidation', async (request) => {
    // oxlint-disable-next-line no-param-reassign -- where Fastify looks for what it validates
    request.query = readAdminQuery(request)
  })
  const app = typed(instance)

  app.post('', { schema: operations.createToken }, async (request, reply) => {
    const { secret, token } = await tokens.create(orgPrincipalOf(request), newToken(request.body))
    reply.header('cache-control', 'no-store')
    return reply.code(201).send({ ...tokenWire(token), token: secret })
  })
  app.get('', { schema: operations.listTokens }, async (request) => ({
    results: (await tokens.list(orgPrincipalOf(request), request.query.limit ?? page)).map(tokenWire),
  }))
  app.delete('/:id', { schema: operations.revokeToken }, async (request, reply) => {
    await tokens.revoke(orgPrincipalOf(request), request.params.id)
    return reply.code(204).send(null)
  })
}
