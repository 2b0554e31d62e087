import type { SessionId } from './ids.ts'
import type { Session } from './org.ts'

/** What a browser sends at a login. */
export interface Browser {
  /** The value of its login cookie. */
  login: string | undefined
  /** The value of its session cookie: that session ends with the new one. */
  session: string | undefined
  userAgent: string | null
  address: string | null
  /** The network that shares a rate limit with that address. */
  network: string | null
}

/** A cookie for a browser to keep. */
export interface KeptCookie {
  value: string
  maxAgeMs: number
}

export type ListedSession = Session & { userAgent: string | null; address: string | null }

/** People's logins. `origin` is our own origin as the browser sees it: `https://pins.example.com`. */
export interface SessionUseCases {
  /**
   * The URL to send the browser to, and the login cookie. `invalid` unless `returnTo` is a path of ours; `unavailable` without the
   * provider.
   */
  begin(origin: string, returnTo: string): Promise<{ url: string; login: KeptCookie }>
  /**
   * `query` is the query string with which the browser came back. `unauthenticated`, with the reason, unless it answers the login that this
   * browser began. `forbidden` when the provider does not let the person in.
   */
  finish(query: string, browser: Browser): Promise<{ session: KeptCookie; returnTo: string }>
  /** The session of a session cookie. `unauthenticated` when no session has this cookie, or the session is over. */
  who(cookie: string): Promise<Session>
  /** The person's sessions, newest first. */
  list(session: Session): Promise<ListedSession[]>
  /** `not_found` when the person has no such session. */
  end(session: Session, id: SessionId): Promise<void>
  /** Ends the session of a cookie, if there is one, and returns the URL where the provider ends its own. */
  logout(cookie: string | undefined, origin: string): Promise<{ redirect: string | null }>
  /**
   * Ends the sessions that the provider says are over. `invalid`, with the reason, when the token is not from the provider or was used
   * before.
   */
  backchannelLogout(logoutToken: string): Promise<void>
}
