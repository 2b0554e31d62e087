import type { SessionId } from './ids.ts'
import type { Session } from './org.ts'

/** What a browser shows of itself at a login. */
export interface Browser {
  /** The value of its login cookie. */
  login: string | undefined
  /** The value of its session cookie: that session ends with the new one. */
  session: string | undefined
  userAgent: string | null
  address: string | null
  /** What shares a limit with that address. */
  network: string | null
}

/** A cookie for a browser to keep. */
export interface KeptCookie {
  value: string
  maxAgeMs: number
}

export type ListedSession = Session & { userAgent: string | null; address: string | null }

/** People's logins. `origin` is ours as the browser sees it: `https://pins.example.com`. */
export interface SessionUseCases {
  /** Where to send the browser, and the login cookie. `invalid` unless `returnTo` is a path of ours; `unavailable` without the provider. */
  begin(origin: string, returnTo: string): Promise<{ url: string; login: KeptCookie }>
  /**
   * `query` is what the browser came back with. `unauthenticated`, with the reason, unless it answers the login that this browser began;
   * `forbidden` when the provider does not let the person in.
   */
  finish(query: string, browser: Browser): Promise<{ session: KeptCookie; returnTo: string }>
  /** Whose the value of a session cookie is; `unauthenticated` when it is nobody's, or its session is over. */
  who(cookie: string): Promise<Session>
  /** The person's, newest first. */
  list(session: Session): Promise<ListedSession[]>
  /** `not_found` when the person has none by this id. */
  end(session: Session, id: SessionId): Promise<void>
  /** Ends the session of a cookie, if there is one, and says where the provider ends its own. */
  logout(cookie: string | undefined, origin: string): Promise<{ redirect: string | null }>
  /** What the provider says ended, ends here. `invalid`, with the reason, when it is not the provider who says so, or says it again. */
  backchannelLogout(logoutToken: string): Promise<void>
}
