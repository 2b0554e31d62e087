/** The input and the answers of each route of `/v1/auth`. */
import Type from 'typebox'
import { Failure, ref } from '../spec/schema.ts'
import { OwnSessions, SignedIn, SignedOut } from './schema.ts'

const tags = ['auth']
const failures = { '4xx': ref(Failure), '5xx': ref(Failure) }
const byCookie = [{ session: [] }]
const away = Type.Null({ description: 'The header `location` says where to go' })
const nothing = Type.Null({ description: 'It is done' })

export const login = {
  operationId: 'logIn',
  summary: 'Send the browser to the identity provider',
  tags,
  security: [],
  querystring: Type.Object({
    return_to: Type.Optional(
      Type.String({
        default: '/',
        description: 'The path of this service to come back to',
        examples: ['/v1/docs'],
      }),
    ),
  }),
  response: { 302: away, ...failures },
}

export const callback = {
  operationId: 'finishLogIn',
  summary: 'Where the identity provider sends the browser back to',
  tags,
  security: [],
  response: { 302: away, ...failures },
}

export const getSession = {
  operationId: 'getSession',
  summary: 'Who is signed in; 401 when nobody is',
  tags,
  security: byCookie,
  response: { 200: ref(SignedIn), ...failures },
}

export const listSessions = {
  operationId: 'listSessions',
  summary: 'List your sessions, newest first',
  tags,
  security: byCookie,
  response: { 200: ref(OwnSessions), ...failures },
}

export const endSession = {
  operationId: 'endSession',
  summary: 'End one of your sessions',
  tags,
  security: byCookie,
  params: Type.Object({
    id: Type.String({ description: 'The TypeID of a session', examples: ['ses_01h455vb4pex5vsknk084sn02q'] }),
  }),
  response: { 204: nothing, ...failures },
}

export const logout = {
  operationId: 'logOut',
  summary: 'End this session; does nothing where there is none',
  tags,
  security: byCookie,
  response: { 200: ref(SignedOut), ...failures },
}

export const backchannelLogout = {
  operationId: 'backchannelLogout',
  summary:
    'For the identity provider: ends the sessions that a logout token names (OpenID Connect Back-Channel Logout 1.0)',
  tags,
  security: [],
  consumes: ['application/x-www-form-urlencoded'],
  body: Type.Object(
    { logout_token: Type.String({ description: 'A JWT that the provider signed' }) },
    { examples: [{ logout_token: 'HEADER.CLAIMS.SIGNATURE' }] },
  ),
  response: { 200: nothing, ...failures },
}
