import type { KeyId, OrgId, TokenId } from './ids.ts'

/** What a token allows: the first three its org's pins; `cluster:admin` is for operators, whatever the org. */
export const scopes = ['pins:read', 'pins:write', 'pins:delete', 'cluster:admin'] as const
export type Scope = (typeof scopes)[number]

/** A minted API token, as `api_tokens` keeps it: never the secret itself. */
export interface ApiToken {
  id: TokenId
  orgId: OrgId
  keyId: KeyId
  name: string | null
  scopes: Scope[]
  expiresAt: Date
}

/** A key that signs (active) or only verifies tokens; `wrapped` is AES-256-GCM under the master key. */
export interface SigningKey {
  id: KeyId
  wrapped: Uint8Array
  state: 'active' | 'verify' | 'retired'
}

/** Who a request is: the outcome of a verified bearer. */
export interface Principal {
  orgId: OrgId
  tokenId: TokenId
  scopes: ReadonlySet<Scope>
}
