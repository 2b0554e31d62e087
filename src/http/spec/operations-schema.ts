/** The input and the answers of each route of the Pinning Services API. */
import Type from 'typebox'
import { Failure, ListQuery, Pin, PinResults, PinStatus, ref } from './schema.ts'

const tags = ['pins']
const failures = { '4xx': ref(Failure), '5xx': ref(Failure) }
const params = Type.Object({
  requestid: Type.String({
    description: 'The `requestid` of a pin',
    examples: ['pin_01h455vb4pex5vsknk084sn02q'],
  }),
})

export const getPins = {
  operationId: 'getPins',
  summary: 'List pins, newest first',
  description:
    'For the next page, repeat the request with `before` set to the `created` of the last pin of this ' +
    'page. `limit`, `before` and `after` do not count as filters: with these alone, only pinned ' +
    'pins are listed.',
  tags,
  querystring: ListQuery,
  response: { 200: ref(PinResults), ...failures },
}

export const addPin = {
  operationId: 'addPin',
  summary: 'Pin a CID',
  description:
    'The answer means that the pin is stored safely; the content is fetched from now on. Needs `pins:write`.',
  tags,
  body: ref(Pin),
  response: { 202: ref(PinStatus), ...failures },
}

export const getPinByRequestId = {
  operationId: 'getPinByRequestId',
  summary: 'See the status of a pin',
  tags,
  params,
  response: { 200: ref(PinStatus), ...failures },
}

export const replacePinByRequestId = {
  operationId: 'replacePinByRequestId',
  summary: 'Replace a pin',
  description: 'Adds one pin and removes another in one step. Blocks that both share are not fetched again.',
  tags,
  params,
  body: ref(Pin),
  response: { 202: ref(PinStatus), ...failures },
}

export const deletePinByRequestId = {
  operationId: 'deletePinByRequestId',
  summary: 'Remove a pin in any status',
  tags,
  params,
  response: { 202: Type.Unsafe<undefined>({ type: 'null', description: 'Removed' }), ...failures },
}
