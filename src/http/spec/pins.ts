import type { FastifyInstance } from 'fastify'
import { AnchorageError } from '../../core/errors.ts'
import type { PinUseCases } from '../../core/pins.ts'
import type { Auth } from '../auth.ts'
import { pinsAreElsewhere } from '../routing.ts'
import { typed } from '../type-box.ts'
import {
  addPin,
  deletePinByRequestId,
  getPinByRequestId,
  getPins,
  replacePinByRequestId,
} from './operations-schema.ts'
import { pinQuery, pinRequest, pinStatus } from './pin-wire.ts'
import { goneSignal } from '../gone-signal.ts'
import { readQuery } from './read-query.ts'

/** The five routes of the Pinning Services API. */
export function pinRoutes(
  instance: FastifyInstance,
  pins: PinUseCases,
  { admit, orgPrincipalOf }: Auth,
): void {
  const app = typed(instance)
  const read = admit('pins:read')
  const write = admit('pins:write')
  const remove = admit('pins:delete')

  app.route({
    method: 'GET',
    url: '/pins',
    schema: getPins,
    onRequest: read,
    preValidation: async (request) => {
      // oxlint-disable-next-line no-param-reassign -- where Fastify looks for what it validates
      request.query = readQuery(request.raw.url ?? '')
    },
    handler: async (request, reply) => {
      const query = pinQuery(request.query)
      const { count, results } = await pins.list(orgPrincipalOf(request), query, goneSignal(reply))
      return { count, results: results.map(pinStatus) }
    },
  })
  app.post('/pins', { schema: addPin, onRequest: write }, async (request, reply) => {
    const pin = await pins.create(orgPrincipalOf(request), pinRequest(request.body))
    return reply.code(202).send(pinStatus(pin))
  })
  app.get('/pins/:requestid', { schema: getPinByRequestId, onRequest: read }, async (request) => {
    return pinStatus(await pins.get(orgPrincipalOf(request), request.params.requestid))
  })
  app.post(
    '/pins/:requestid',
    { schema: replacePinByRequestId, onRequest: write },
    async (request, reply) => {
      const { requestid } = request.params
      const pin = await pins.replace(orgPrincipalOf(request), requestid, pinRequest(request.body))
      return reply.code(202).send(pinStatus(pin))
    },
  )
  app.delete(
    '/pins/:requestid',
    { schema: deletePinByRequestId, onRequest: remove },
    async (request, reply) => {
      await pins.remove(orgPrincipalOf(request), request.params.requestid)
      return reply.code(202).send(undefined)
    },
  )
  wrongBase(instance)
}

/** Answers clients whose base URL ends in `/pins`. Without these routes they would be asking for a pin with the id `pins`. */
function wrongBase(app: FastifyInstance): void {
  const onRequest = async () => {
    throw new AnchorageError('not_found', pinsAreElsewhere)
  }
  for (const url of ['/pins/pins', '/pins/pins/:requestid'])
    app.route({
      method: ['GET', 'POST', 'DELETE'],
      url,
      schema: { hide: true },
      onRequest,
      handler: onRequest,
    })
}
