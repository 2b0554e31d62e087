/** The schemas of tokens: the answers of `/v1/tokens`, and what `--json` of the verbs about tokens prints. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { scopes, tokenEnds, type TokenEnd } from '../../core/token.ts'
import { instant, nullable, text } from '../schema-words.ts'
import { named } from '../spec/schema.ts'

export const Scope = Type.Enum([...scopes], { type: 'string' })

const tokenProperties = {
  id: Type.String({ examples: ['tok_01h455vb4pex5vsknk084sn02q'] }),
  name: nullable(text('What it was called by whoever made it')),
  scopes: Type.Array(Scope, { description: 'What it may do' }),
  createdBy: nullable(text('The user or token that made it; null: an operator, by command')),
  createdAt: instant('When it was made'),
  expiresAt: instant('When it ends by itself'),
  lastUsedAt: nullable(instant('When it was used last, to about a minute; null: never')),
  revokedAt: nullable(instant('When it was ended; null: it was not')),
  endedBy: Type.Unsafe<TokenEnd | null>({
    type: ['string', 'null'],
    enum: [...tokenEnds, null],
    description:
      'What it is over by: revoked; expired: its time is over; key: the key that signed it was retired. null while it lives',
  }),
}

export const Token = named(
  'Token',
  Type.Object(tokenProperties, { description: 'An access token of an org' }),
)

export const CreatedToken = named(
  'CreatedToken',
  Type.Object({
    ...tokenProperties,
    token: text('The secret, for `Authorization: Bearer …`: shown in this answer and never again'),
  }),
)

export const NewToken = Type.Object(
  {
    name: Type.Optional(
      nullable(Type.String({ minLength: 1, maxLength: 255, description: 'To know it again by' })),
    ),
    scopes: Type.Array(Scope, {
      minItems: 1,
      uniqueItems: true,
      description: 'What it may do: no more than whoever makes it',
    }),
    ttlSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 315_619_200,
        description:
          'How long it lives; without this and `expiresAt` 90 days, and never beyond whoever makes it',
      }),
    ),
    expiresAt: Type.Optional(
      Type.String({ format: 'date-time', description: 'When it ends, instead of `ttlSeconds`' }),
    ),
  },
  {
    examples: [{ name: 'laptop', scopes: ['pins:read', 'pins:write', 'pins:delete'], ttlSeconds: 2_592_000 }],
  },
)

/** The schemas that have a name in the OpenAPI document. */
export const namedTokenSchemas = [Token, CreatedToken]

export type Token = Static<typeof Token>
export type CreatedToken = Static<typeof CreatedToken>
export type NewToken = Static<typeof NewToken>
