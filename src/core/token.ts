import type { KeyId, OrgId, TokenId, UserId } from './ids.ts'

/**
 * What a caller may do. The pins ones and `org:admin` are about the caller's org, `tokens:manage` about tokens that the caller made
 * (with `org:admin` about all of the org's); `cluster:admin` is for operators, whatever the org.
 */
export const scopes = [
  'pins:read',
  'pins:write',
  'pins:delete',
  'tokens:manage',
  'org:admin',
  'cluster:admin',
] as const
export type Scope = (typeof scopes)[number]

/** A minted API token, as `api_tokens` keeps it: never the secret itself. */
export interface ApiToken {
  id: TokenId
  orgId: OrgId
  keyId: KeyId
  name: string | null
  scopes: Scope[]
  expiresAt: Date
  /** The person or token that made it; null: an operator, by command. */
  createdBy: UserId | TokenId | null
}

/** A key that signs (active) or only verifies tokens; `wrapped` is AES-256-GCM under the master key. */
export interface SigningKey {
  id: KeyId
  wrapped: Uint8Array
  state: 'active' | 'verify' | 'retired'
}

/** Who a request is: the outcome of a verified bearer or session cookie. */
export interface Caller {
  /** Who the audit names. */
  by: TokenId | UserId
  /** The org that it speaks for; null: a person who named none and is a member of none or of several. */
  orgId: OrgId | null
  scopes: ReadonlySet<Scope>
  /** When a token's caller ends: no token that it makes lives longer. Null for a session. */
  until: Date | null
}

/** A caller that speaks for an org. */
export interface Principal extends Caller {
  orgId: OrgId
}

/** `revoked` by somebody or with its maker, `expired` by its own time, `key`: with the key that signed it. */
export const tokenEnds = ['revoked', 'expired', 'key'] as const
export type TokenEnd = (typeof tokenEnds)[number]
