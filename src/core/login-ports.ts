/** The ports of people's logins: the sessions in the database, and the identity provider. Same rules as `ports.ts`. */
import type { SessionId, UserId } from './ids.ts'
import type { LoginClaims, LoginSecrets, Identity, ProviderLogout } from './login.ts'
import type { Session } from './org.ts'
import type { Revoked } from './token.ts'

/** People's logins. System scope, since a cookie is looked up before any org is known. Hashes are SHA-256 of the cookie's secret. */
export interface SessionStore {
  /**
   * One transaction with audit. Updates the user to what the provider says now. Sets the memberships of source `login` from `roles`: those
   * without a role any more are removed, and tokens beyond the new roles are revoked. Adds the session. `previous` is the old session of
   * this browser, which ends.
   */
  login(
    claims: LoginClaims,
    session: {
      id: SessionId
      hash: Uint8Array
      /** The provider's own session id, for its back-channel logout. */
      providerSid: string | null
      /** Kept for the provider's logout page. */
      idToken: string
      userAgent: string | null
      address: string | null
      /** The network that shares a rate limit with that address. From now on it counts as a known network. */
      network: string | null
      maxAgeMs: number
    },
    previous: Uint8Array | null,
  ): Promise<{ session: Session; revoked: Revoked }>
  /**
   * Null when there is no such session, when it is over, or when it was idle for longer than `idleMs`. Notes that it was seen, at most once
   * a minute.
   */
  session(hash: Uint8Array, idleMs: number): Promise<Session | null>
  /** The valid sessions of a user, newest first. */
  sessions(userId: UserId): Promise<(Session & { userAgent: string | null; address: string | null })[]>
  /** `not_found` when the user has no such session. Returns the id token of the login. Audited. */
  endSession(userId: UserId, id: SessionId, actor: string): Promise<{ idToken: string }>
  /** The provider says that a person (all sessions) or one of its sessions is over. Each `jti` is accepted once; false the second time. */
  endByProvider(which: ProviderLogout): Promise<boolean>
  /** Deletes sessions that were over more than `olderThanMs` ago. Returns how many. */
  pruneSessions(olderThanMs: number, limit: number): Promise<number>
}

/** An OpenID Connect provider, which knows who people are. All methods reject `unavailable` while it cannot be asked. */
export interface IdentityProvider {
  /** The URL to send the browser to, and the secrets to remember until it is back. */
  begin(redirectUri: string): Promise<{ url: string; secrets: LoginSecrets }>
  /**
   * `query` is the query string with which the browser came back. `unauthenticated`, with the reason, unless it answers the login that
   * `secrets` belong to. `forbidden` when the provider does not let the person in.
   */
  finish(query: string, secrets: LoginSecrets): Promise<Identity>
  /** The provider's page that ends its own session and returns to `returnTo`; null when the provider has none. */
  logoutUrl(idToken: string, returnTo: string): Promise<string | null>
  /** `invalid`, with the reason, when `token` is not a logout token for us. */
  readLogoutToken(token: string): Promise<ProviderLogout>
}
