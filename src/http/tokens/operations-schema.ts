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
    'Only this answer shows the secret. A token has no more scopes than its maker, and does not outlive ' +
    'it. If its maker is revoked or loses its role, the token ends too.',
  tags,
  body: NewToken,
  response: { 201: ref(CreatedToken), ...failures },
}

export const listTokens = {
  operationId: 'listTokens',
  summary: 'List access tokens, newest first',
  description: 'The tokens that you made; with `org:admin`, all tokens of the org.',
  tags,
  querystring: Type.Object({
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 1000,
        description: 'At most this many results',
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
    'A token that you made; with `org:admin`, any token of the org. The tokens that it made end too. ' +
    'Every node refuses all of them within two seconds. Repeating the request changes nothing.',
  tags,
  params: Type.Object({
    id: Type.String({
      description: 'The TypeID of a token, not its secret',
      examples: ['tok_01h455vb4pex5vsknk084sn02q'],
    }),
  }),
  response: { 204: Type.Null({ description: 'The token is revoked' }), ...failures },
}
