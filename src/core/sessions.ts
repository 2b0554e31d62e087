import { createHash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { AnchorageError, isCode } from './errors.ts'
import { rightsFromGroups, type GroupRules } from './group-roles.ts'
import { mintId, type SessionId } from './ids.ts'
import type { Session } from './org.ts'
import type { IdentityProvider, SessionStore } from './login-ports.ts'
import type { LoginSecrets } from './login.ts'
import type { Clock, Log } from './ports.ts'
import type { Revoked } from './token.ts'
import { announceRevoked } from './tokens.ts'

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

/** How long a login may take at the provider. */
export const loginMs = 600_000
const callbackPath = '/v1/auth/callback'
const afterLogout = '/'
const maxReturnLength = 2048
/** The form of a session cookie: 256 bits in base64url and their stamp. An access token never has this form. */
const cookieForm = /^[\w-]{65}$/
/** How many sessions that are over are remembered, so that their cookies cost the store nothing more. */
const rememberedOver = 10_000
/** A path of ours, however a browser reads it: no host, no backslash that would count as a slash, no characters that URLs drop. */
const localPath = /^\/(?![/\\])[!-[\]-~]*$/

/** Seals what a browser keeps for us: the browser can neither read nor change it, and any node can open it. */
export interface Seal {
  close(plain: string): string
  /** Null when it was not sealed by us. */
  open(sealed: string): string | null
}

/** Tells whether a text from a browser was made by us, without a look-up. */
export interface Stamp {
  /** `text` followed by its stamp. */
  put(text: string): string
  holds(stamped: string): boolean
}

export interface SessionParts {
  store: SessionStore
  provider: IdentityProvider
  seal: Seal
  stamp: Stamp
  rules: GroupRules
  idleMs: number
  maxAgeMs: number
  /** Tells the nodes which tokens ended. Without it they find out by themselves within seconds, so a failure is only logged. */
  announce: (revoked: Revoked) => Promise<void>
  clock: Pick<Clock, 'now'>
  log: Log
}

/** The contents of the login cookie. */
interface BegunLogin {
  secrets: LoginSecrets
  returnTo: string
  untilMs: number
}

/** Nothing of a login is stored before it succeeds. Until then it is kept in a sealed cookie, so that strangers cause no writes. */
export function sessionUseCases(parts: SessionParts): SessionUseCases {
  const { store, provider, seal, clock } = parts
  const find = finder(parts)
  return {
    async begin(origin, returnTo) {
      demandLocal(returnTo)
      const { url, secrets } = await provider.begin(origin + callbackPath)
      const begun: BegunLogin = { secrets, returnTo, untilMs: clock.now() + loginMs }
      return { url, login: { value: seal.close(JSON.stringify(begun)), maxAgeMs: loginMs } }
    },
    async finish(query, browser) {
      const { secrets, returnTo } = begunLogin(seal, browser.login, clock.now())
      const cookie = await openSession(parts, query, secrets, browser)
      return { session: { value: cookie, maxAgeMs: parts.maxAgeMs }, returnTo }
    },
    async who(cookie) {
      const session = await find(cookie)
      if (session === null)
        throw new AnchorageError('unauthenticated', 'the session has ended: sign in again at /v1/auth/login')
      return session
    },
    list: ({ user }) => store.sessions(user.id),
    async end({ user }, id) {
      await store.endSession(user.id, id, user.id)
    },
    async logout(cookie, origin) {
      const session = cookie === undefined ? null : await find(cookie)
      const idToken = session === null ? null : await endOnce(store, session)
      if (idToken === null) return { redirect: null }
      return { redirect: await providersLogout(parts, idToken, origin + afterLogout) }
    },
    async backchannelLogout(logoutToken) {
      const isNew = await store.endByProvider(await provider.readLogoutToken(logoutToken))
      if (!isNew) throw new AnchorageError('invalid', 'the logout token was used before')
    },
  }
}

function demandLocal(returnTo: string): void {
  if (returnTo.length <= maxReturnLength && localPath.test(returnTo)) return
  throw new AnchorageError('invalid', 'return_to: must be a path of this service, such as /')
}

function begunLogin(seal: Seal, cookie: string | undefined, nowMs: number): BegunLogin {
  const text = cookie === undefined ? null : seal.open(cookie)
  const begun: BegunLogin | null = text === null ? null : JSON.parse(text)
  if (begun !== null && begun.untilMs > nowMs) return begun
  const why = begun === null ? 'this browser has not started a login' : 'the login took too long'
  throw new AnchorageError('unauthenticated', `${why}: start again at /v1/auth/login`)
}

/** Opens a session and returns the value of its cookie. */
async function openSession(
  parts: SessionParts,
  query: string,
  secrets: LoginSecrets,
  { session: previous, userAgent, address, network }: Browser,
): Promise<string> {
  const { groups, idToken, sid, ...person } = await parts.provider.finish(query, secrets)
  const cookie = parts.stamp.put(randomBytes(32).toString('base64url'))
  const { revoked } = await parts.store.login(
    { ...person, ...rightsFromGroups(groups, parts.rules) },
    {
      id: mintId('ses'),
      hash: hashOf(cookie),
      providerSid: sid,
      idToken,
      userAgent,
      address,
      network,
      maxAgeMs: parts.maxAgeMs,
    },
    previous !== undefined && cookieForm.test(previous) ? hashOf(previous) : null,
  )
  await announceRevoked(parts, revoked)
  return cookie
}

/**
 * Finds the session of a cookie. The store is not asked about cookies that we did not make, nor about sessions already found to be over,
 * which they stay.
 */
function finder({ store, stamp, idleMs }: SessionParts): (cookie: string) => Promise<Session | null> {
  const over = new LRUCache<string, true>({ max: rememberedOver })
  return async (cookie) => {
    if (!cookieForm.test(cookie) || !stamp.holds(cookie) || over.has(cookie)) return null
    const session = await store.session(hashOf(cookie), idleMs)
    if (session === null) over.set(cookie, true)
    return session
  }
}

/** Ends the session and returns its id token; null when the session ended in the meantime. */
async function endOnce(store: SessionStore, { user, id }: Session): Promise<string | null> {
  try {
    return (await store.endSession(user.id, id, user.id)).idToken
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}

/** The logout URL of the provider; null when the provider cannot be asked. Our session is over in both cases. */
async function providersLogout(
  { provider, log }: Pick<SessionParts, 'provider' | 'log'>,
  idToken: string,
  returnTo: string,
): Promise<string | null> {
  try {
    return await provider.logoutUrl(idToken, returnTo)
  } catch (err) {
    log.warn({ err }, 'the identity provider cannot be asked for its logout page')
    return null
  }
}

function hashOf(cookie: string): Uint8Array {
  return createHash('sha256').update(cookie).digest()
}
