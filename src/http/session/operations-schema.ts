/** The input and the answers of each route of `/v1/auth`. */
import Type from 'typebox'
import { Failure, ref } from '../spec/schema.ts'
import { OwnSessions, SignedIn, SignedOut } from './schema.ts'

const tags = ['auth']
const failures = { '4xx': ref(Failure), '5xx': ref(Failure) }
const byCookie = [{ session: [] }]
const away = Type.Null({ description: 'A redirect to the address in the header `location`' })
const nothing = Type.Null({ description: 'Done' })

export const login = {
  operationId: 'logIn',
  summary: 'Send the browser to the identity provider',
  tags,
  security: [],
  querystring: Type.Object({
    return_to: Type.Optional(
      Type.String({
        default: '/',
        description: 'The path of this service that the browser returns to',
        examples: ['/v1/docs'],
      }),
    ),
  }),
  response: { 302: away, ...failures },
}

export const callback = {
  operationId: 'finishLogIn',
  summary: 'Finish a login: the identity provider sends the browser to this address',
  tags,
  security: [],
  response: { 302: away, ...failures },
}

export const getSession = {
  operationId: 'getSession',
  summary: 'See who is signed in; 401 without a session',
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
  summary: 'End this session; without a session it does nothing',
  tags,
  security: byCookie,
  response: { 200: ref(SignedOut), ...failures },
}

export const backchannelLogout = {
  operationId: 'backchannelLogout',
  summary:
    'End the sessions that a logout token names; for the identity provider (OpenID Connect Back-Channel Logout 1.0)',
  tags,
  security: [],
  consumes: ['application/x-www-form-urlencoded'],
  body: Type.Object(
    { logout_token: Type.String({ description: 'A JWT that the identity provider signed' }) },
    { examples: [{ logout_token: 'HEADER.CLAIMS.SIGNATURE' }] },
  ),
  response: { 200: nothing, ...failures },
}
