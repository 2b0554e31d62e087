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
    'Pages are made with `before`: ask the same again with the `created` of the last pin of the page before. `limit`, `before` and `after` ' +
    'never change which pins a list means.',
  tags,
  querystring: ListQuery,
  response: { 200: ref(PinResults), ...failures },
}

export const addPin = {
  operationId: 'addPin',
  summary: 'Pin a CID',
  description:
    'The answer means that the pin is kept for good; its content is fetched from now on. Needs `pins:write`.',
  tags,
  body: ref(Pin),
  response: { 202: ref(PinStatus), ...failures },
}

export const getPinByRequestId = {
  operationId: 'getPinByRequestId',
  summary: 'See how far a pin is',
  tags,
  params,
  response: { 200: ref(PinStatus), ...failures },
}

export const replacePinByRequestId = {
  operationId: 'replacePinByRequestId',
  summary: 'Replace a pin',
  description: 'Adds one pin and removes another in one step; blocks that both share are not fetched again.',
  tags,
  params,
  body: ref(Pin),
  response: { 202: ref(PinStatus), ...failures },
}

export const deletePinByRequestId = {
  operationId: 'deletePinByRequestId',
  summary: 'Remove a pin, in whatever state it is',
  tags,
  params,
  response: { 202: Type.Unsafe<undefined>({ type: 'null', description: 'Removed' }), ...failures },
}
