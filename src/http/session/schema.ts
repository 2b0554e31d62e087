/** The schemas of what people see of their logins. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { roles } from '../../core/org.ts'
import { scopes } from '../../core/token.ts'
import { named, ref } from '../spec/schema.ts'

const instant = (description: string) => Type.String({ description, format: 'date-time' })
const sessionId = Type.String({ examples: ['ses_01h455vb4pex5vsknk084sn02q'] })
const textOrNull = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

const times = {
  createdAt: instant('When the session began'),
  lastSeenAt: instant('When the session was last used, to the minute'),
  expiresAt: instant('When the session ends, even if it is in use'),
}

const Membership = Type.Object({
  org: Type.String({ description: 'The TypeID of the org', examples: ['org_01h455vb4pex5vsknk084sn02q'] }),
  slug: Type.String({
    description: 'The slug of the org; the header `anchorage-org` may hold the TypeID or the slug',
  }),
  role: Type.Enum([...roles], { type: 'string' }),
  scopes: Type.Array(Type.Enum([...scopes], { type: 'string' }), {
    description: 'The scopes of the role; empty while the org is suspended',
  }),
  suspended: textOrNull('The reason, if the org is suspended'),
})

export const SignedIn = named(
  'SignedIn',
  Type.Object(
    {
      session: Type.Object({ id: sessionId, ...times }),
      user: Type.Object({
        id: Type.String({ examples: ['usr_01h455vb4pex5vsknk084sn02q'] }),
        name: textOrNull('The value that the identity provider gives'),
        email: textOrNull('The value that the identity provider gives'),
        operator: Type.Boolean({ description: 'Whether the person has the scope `cluster:admin`' }),
      }),
      memberships: Type.Array(Membership),
    },
    { description: 'Who is signed in' },
  ),
)

export const OwnSession = named(
  'OwnSession',
  Type.Object(
    {
      id: sessionId,
      ...times,
      current: Type.Boolean({ description: 'Whether this request belongs to this session' }),
      userAgent: textOrNull('The user agent of the browser at the login'),
      address: textOrNull('The address that the login came from'),
    },
    { description: 'One login of one browser' },
  ),
)

export const OwnSessions = named('OwnSessions', Type.Object({ results: Type.Array(ref(OwnSession)) }))

export const SignedOut = named(
  'SignedOut',
  Type.Object(
    {
      redirect: textOrNull(
        'The page of the identity provider that ends its own session: send the browser there; null when ' +
          'there is none',
      ),
    },
    { description: 'The session is over' },
  ),
)

/** The schemas that have a name in the OpenAPI document. */
export const namedSessionSchemas = [SignedIn, OwnSession, OwnSessions, SignedOut]

export type SignedIn = Static<typeof SignedIn>
export type OwnSession = Static<typeof OwnSession>
