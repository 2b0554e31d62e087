/** The schemas of tokens: the answers of `/v1/tokens`, and what `--json` of the verbs about tokens prints. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { scopes, tokenEnds, type TokenEnd } from '../../core/token.ts'
import { instant, nullable, text } from '../schema-words.ts'
import { named } from '../spec/schema.ts'

export const Scope = Type.Enum([...scopes], { type: 'string' })

const tokenProperties = {
  id: Type.String({ examples: ['tok_01h455vb4pex5vsknk084sn02q'] }),
  name: nullable(text('The name that its maker gave it')),
  scopes: Type.Array(Scope, { description: 'The scopes of the token' }),
  createdBy: nullable(text('The user or token that made it; null: an operator made it on the command line')),
  createdAt: instant('When the token was made'),
  expiresAt: instant('When the token expires'),
  lastUsedAt: nullable(instant('When the token was last used, to about a minute; null: never')),
  revokedAt: nullable(instant('When the token was revoked; null: it was not revoked')),
  endedBy: Type.Unsafe<TokenEnd | null>({
    type: ['string', 'null'],
    enum: [...tokenEnds, null],
    description:
      'Why it no longer works: revoked; expired; key: the key that signed it was retired. null while it works',
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
    token: text('The secret, for `Authorization: Bearer …`. Only this answer shows it'),
  }),
)

export const NewToken = Type.Object(
  {
    name: Type.Optional(
      nullable(Type.String({ minLength: 1, maxLength: 255, description: 'A name to recognise it by' })),
    ),
    scopes: Type.Array(Scope, {
      minItems: 1,
      uniqueItems: true,
      description: 'The scopes of the token: no more than its maker has',
    }),
    ttlSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 315_619_200,
        description:
          'How long the token lasts; 90 days if neither this nor `expiresAt` is given, and never longer ' +
          'than its maker',
      }),
    ),
    expiresAt: Type.Optional(
      Type.String({ format: 'date-time', description: 'When the token expires, instead of `ttlSeconds`' }),
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
