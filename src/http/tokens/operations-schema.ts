/** The input and the answers of each route of `/v1/tokens`. All need the scope `tokens:manage`. */
import Type from 'typebox'
import { Failure, ref } from '../spec/schema.ts'
import { CreatedToken, NewToken, Token } from './schema.ts'

const tags = ['tokens']
const failures = { '4xx': ref(Failure), '5xx': ref(Failure) }

export const createToken = {
  operationId: 'createToken',
  summary: 'Make an access token',
  description:
    'Its secret is in this answer and nowhere else. It does no more and lives no longer than whoever makes it, and ends with a maker that is ended or loses its role.',
  tags,
  body: NewToken,
  response: { 201: ref(CreatedToken), ...failures },
}

export const listTokens = {
  operationId: 'listTokens',
  summary: 'List access tokens, newest first',
  description: 'Those that you made; with `org:admin`, all of the org.',
  tags,
  querystring: Type.Object({
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 1000,
        description: 'At most so many',
        examples: [100],
      }),
    ),
  }),
  response: { 200: Type.Object({ results: Type.Array(ref(Token)) }), ...failures },
}

export const revokeToken = {
  operationId: 'revokeToken',
  summary: 'End an access token for good',
  description:
    'One that you made; with `org:admin`, any of the org. Tokens that it made end with it. Every node refuses them within two seconds. Repeating it changes nothing.',
  tags,
  params: Type.Object({
    id: Type.String({
      description: 'The TypeID of a token, not its secret',
      examples: ['tok_01h455vb4pex5vsknk084sn02q'],
    }),
  }),
  response: { 204: Type.Null({ description: 'It is over' }), ...failures },
}
