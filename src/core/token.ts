import type { KeyId, OrgId, TokenId, UserId } from './ids.ts'

/**
 * What a principal may do. The `pins:` scopes and `org:admin` apply to the principal's org. `tokens:manage` applies to tokens that the
 * principal made, with `org:admin` to all tokens of the org. `cluster:admin` is for operators, whatever the org.
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
  /** The person or token that made it; null for an operator at the command line. */
  createdBy: UserId | TokenId | null
}

/** A key that signs (active) or only verifies tokens. `wrapped` is its secret, AES-256-GCM under the master key. */
export interface SigningKey {
  id: KeyId
  wrapped: Uint8Array
  state: 'active' | 'verify' | 'retired'
}

/** The identity behind a request, from a verified bearer token or session cookie. */
export interface Principal {
  /** The name in the audit. */
  actor: TokenId | UserId
  /** The org that the principal speaks for. Null for a person who named no org and is a member of none or of several. */
  orgId: OrgId | null
  scopes: ReadonlySet<Scope>
  /** When a calling token ends; no token that it makes lives longer. Null for a session. */
  until: Date | null
}

/** A principal that speaks for an org. */
export interface OrgPrincipal extends Principal {
  orgId: OrgId
}

/** Why a token is over. `revoked`: it or its maker was revoked. `expired`: its time is over. `key`: its signing key was retired. */
export const tokenEnds = ['revoked', 'expired', 'key'] as const
export type TokenEnd = (typeof tokenEnds)[number]

/** A token as its org sees it. */
export interface TokenView extends Omit<ApiToken, 'keyId'> {
  createdAt: Date
  lastUsedAt: Date | null
  revokedAt: Date | null
  /** Why the token is over; null while it is valid, by the database's clock. */
  endedBy: TokenEnd | null
}

/** Tokens that a change revoked. Nodes are told of each of them with `version`. */
export interface Revoked {
  tokens: TokenId[]
  version: number
}
