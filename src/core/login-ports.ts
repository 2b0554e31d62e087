/** What is outside of `core` about people's logins: their rows, and who says who they are. As `ports.ts`. */
import type { SessionId, UserId } from './ids.ts'
import type { Role, Session } from './org.ts'
import type { Revoked } from './ports.ts'

/** What the identity provider said of a person at a login. */
export interface LoginClaims {
  issuer: string
  subject: string
  name: string | null
  email: string | null
  operator: boolean
  /** By the person's groups: the greatest role of each org. Orgs that do not exist are left out. */
  roles: { slug: string; role: Role }[]
}

/** People's logins; system scope, since a cookie is looked up before any org is known. Hashes are SHA-256 of the cookie's secret. */
export interface SessionStore {
  /**
   * One transaction: the user as the provider says it is now, memberships of source `login` as the roles say (those without a role any more go,
   * and so do tokens beyond the new roles), the session, audit. `previous` is the session that this browser had: it ends.
   */
  login(
    claims: LoginClaims,
    session: {
      id: SessionId
      hash: Uint8Array
      /** The provider's own session id, for its back-channel logout. */
      providerSid: string | null
      /** For the provider's logout page. */
      idToken: string
      userAgent: string | null
      address: string | null
      /** What shares a limit with that address; it is known from then on. */
      network: string | null
      maxAgeMs: number
    },
    previous: Uint8Array | null,
  ): Promise<{ session: Session; revoked: Revoked }>
  /** Null when there is none, when it is over, or idle for longer than `idleMs`. Notes that it was seen, at most once a minute. */
  session(hash: Uint8Array, idleMs: number): Promise<Session | null>
  /** The living ones of a user, newest first. */
  sessions(userId: UserId): Promise<(Session & { userAgent: string | null; address: string | null })[]>
  /** `not_found` when the user has none by that id. Returns the id token that it was made with. Audited. */
  endSession(userId: UserId, id: SessionId, actor: string): Promise<{ idToken: string }>
  /** The provider says that a person (all sessions), or one of its sessions, is over. `jti` is taken once only: false the second time. */
  endByProvider(which: {
    issuer: string
    subject: string | null
    sid: string | null
    jti: string
    until: Date
  }): Promise<boolean>
  /** Sessions that were over longer ago than `olderThanMs`; returns how many went. */
  pruneSessions(olderThanMs: number, limit: number): Promise<number>
}

/** What a login that was begun keeps until the browser comes back: it travels with the browser, sealed. */
export interface LoginSecrets {
  state: string
  nonce: string
  /** Of PKCE (RFC 7636). */
  verifier: string
  redirectUri: string
}

/** Whoever has just logged in, in the provider's words. */
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

/** A logout token of OpenID Connect Back-Channel Logout 1.0 that holds: a person, or one of its sessions, is over. */
export type ProviderLogout = Parameters<SessionStore['endByProvider']>[0]

/** Who people are is said elsewhere: an OpenID Connect provider. All reject `unavailable` while it cannot be asked. */
export interface IdentityProvider {
  /** Where to send the browser, and what to remember until it is back. */
  begin(redirectUri: string): Promise<{ url: string; secrets: LoginSecrets }>
  /**
   * `query` is what the browser came back with. `unauthenticated`, with the reason, unless it answers the very login that `secrets` are of;
   * `forbidden` when the provider does not let the person in.
   */
  finish(query: string, secrets: LoginSecrets): Promise<Identity>
  /** The provider's page that ends its own session and leads back to `returnTo`; null when it has none. */
  logoutUrl(idToken: string, returnTo: string): Promise<string | null>
  /** `invalid`, with the reason, when it is not a logout token for us. */
  readLogoutToken(token: string): Promise<ProviderLogout>
}
