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
  createdAt: instant('When it began'),
  lastSeenAt: instant('When it was last used, to the minute'),
  expiresAt: instant('When it ends, however much it is used'),
}

const Membership = Type.Object({
  org: Type.String({ description: 'The TypeID of the org', examples: ['org_01h455vb4pex5vsknk084sn02q'] }),
  slug: Type.String({ description: 'Its name; either may stand in the header `anchorage-org`' }),
  role: Type.Enum([...roles], { type: 'string' }),
  scopes: Type.Array(Type.Enum([...scopes], { type: 'string' }), {
    description: 'What the role allows; nothing while the org is suspended',
  }),
  suspended: textOrNull('Why, when the org is suspended'),
})

export const SignedIn = named(
  'SignedIn',
  Type.Object(
    {
      session: Type.Object({ id: sessionId, ...times }),
      user: Type.Object({
        id: Type.String({ examples: ['usr_01h455vb4pex5vsknk084sn02q'] }),
        name: textOrNull('As the identity provider says'),
        email: textOrNull('As the identity provider says'),
        operator: Type.Boolean({ description: 'Has the scope `cluster:admin`' }),
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
      current: Type.Boolean({ description: 'It is the one of this request' }),
      userAgent: textOrNull('What its browser called itself at the login'),
      address: textOrNull('Where it logged in from'),
    },
    { description: 'One login in one browser' },
  ),
)

export const OwnSessions = named('OwnSessions', Type.Object({ results: Type.Array(ref(OwnSession)) }))

export const SignedOut = named(
  'SignedOut',
  Type.Object(
    {
      redirect: textOrNull(
        "The identity provider's page that ends its own session, to be gone to; null when there is none",
      ),
    },
    { description: 'The session is over' },
  ),
)

/** The schemas that have a name in the OpenAPI document. */
export const namedSessionSchemas = [SignedIn, OwnSession, OwnSessions, SignedOut]

export type SignedIn = Static<typeof SignedIn>
export type OwnSession = Static<typeof OwnSession>
