import type { Role } from './org.ts'

/** What the identity provider says about a person at a login. */
export interface LoginClaims {
  issuer: string
  subject: string
  name: string | null
  email: string | null
  operator: boolean
  /** The greatest role in each org, by the person's groups. Orgs that do not exist are ignored. */
  roles: { slug: string; role: Role }[]
}

/** What a login keeps until the browser comes back. It travels with the browser, sealed. */
export interface LoginSecrets {
  state: string
  nonce: string
  /** The code verifier of PKCE (RFC 7636). */
  verifier: string
  redirectUri: string
}

/** The person who just logged in, as the provider describes it. */
export interface Identity {
  issuer: string
  subject: string
  name: string | null
  email: string | null
  groups: string[]
  /** The provider's own session id. */
  sid: string | null
  idToken: string
}

/** A valid logout token of OpenID Connect Back-Channel Logout 1.0: a person, or one of its sessions, is over. */
export interface ProviderLogout {
  issuer: string
  subject: string | null
  sid: string | null
  jti: string
  until: Date
}
