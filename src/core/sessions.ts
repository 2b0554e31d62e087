import { createHash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { AnchorageError, isCode } from './errors.ts'
import { standingOf, type GroupRules } from './group-roles.ts'
import { mintId } from './ids.ts'
import type { Session } from './org.ts'
import type { IdentityProvider, LoginSecrets, SessionStore } from './login-ports.ts'
import type { Clock, Log, Revoked } from './ports.ts'
import type { Browser, SessionUseCases } from './session-use-cases.ts'
import { tellOfRevoked } from './tokens.ts'

/** How long a person may take at the provider. */
export const loginMs = 600_000
const callbackPath = '/v1/auth/callback'
const afterLogout = '/'
const maxReturnLength = 2048
/** 256 bits in base64url and their stamp: what a session's cookie looks like, and an access token never does. */
const cookieForm = /^[\w-]{65}$/
/** So many sessions that are over are remembered, for their cookies to cost nothing any more. */
const rememberedOver = 10_000
/** A path of ours, whatever a browser makes of it: no host, no backslash that would pass for one, nothing that URLs drop. */
const localPath = /^\/(?![/\\])[!-[\]-~]*$/

/** Closes what a browser keeps for us, so that it can neither read nor change it, and any node can open it. */
export interface Seal {
  close(plain: string): string
  /** Null when it was not closed by us. */
  open(sealed: string): string | null
}

/** Says of a text that a browser brings whether it is one that we made, without asking anybody. */
export interface Stamp {
  /** `text` with its stamp behind it. */
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
  /** Tells the nodes which tokens ended; without it they find out by themselves within seconds, so its failure is only logged. */
  announce: (revoked: Revoked) => Promise<void>
  clock: Pick<Clock, 'now'>
  log: Log
}

/** What the login cookie holds. */
interface BegunLogin {
  secrets: LoginSecrets
  returnTo: string
  untilMs: number
}

/** Nothing of a login is stored before it succeeds: until then it lives in a sealed cookie, so that strangers write nothing. */
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
        throw new AnchorageError('unauthenticated', 'the session is over: sign in again at /v1/auth/login')
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
  const why = begun === null ? 'this browser began no login' : 'the login took too long'
  throw new AnchorageError('unauthenticated', `${why}: begin again at /v1/auth/login`)
}

/** The value of the new session's cookie. */
async function openSession(
  parts: SessionParts,
  query: string,
  secrets: LoginSecrets,
  { session: previous, userAgent, address, network }: Browser,
): Promise<string> {
  const { groups, idToken, sid, ...person } = await parts.provider.finish(query, secrets)
  const cookie = parts.stamp.put(randomBytes(32).toString('base64url'))
  const { revoked } = await parts.store.login(
    { ...person, ...standingOf(groups, parts.rules) },
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
  await tellOfRevoked(parts, revoked)
  return cookie
}

/** The session of a cookie. What we did not make, and what was found to be over, which it stays, the store is not asked about. */
function finder({ store, stamp, idleMs }: SessionParts): (cookie: string) => Promise<Session | null> {
  const over = new LRUCache<string, true>({ max: rememberedOver })
  return async (cookie) => {
    if (!cookieForm.test(cookie) || !stamp.holds(cookie) || over.has(cookie)) return null
    const session = await store.session(hashOf(cookie), idleMs)
    if (session === null) over.set(cookie, true)
    return session
  }
}

/** The id token of the session; null when it ended meanwhile. */
async function endOnce(store: SessionStore, { user, id }: Session): Promise<string | null> {
  try {
    return (await store.endSession(user.id, id, user.id)).idToken
  } catch (error) {
    if (isCode(error, 'not_found')) return null
    throw error
  }
}

/** Our session is over whether the provider can be asked or not. */
async function providersLogout(
  { provider, log }: Pick<SessionParts, 'provider' | 'log'>,
  idToken: string,
  returnTo: string,
): Promise<string | null> {
  try {
    return await provider.logoutUrl(idToken, returnTo)
  } catch (err) {
    log.warn({ err }, 'the identity provider cannot be asked where it ends its own session')
    return null
  }
}

function hashOf(cookie: string): Uint8Array {
  return createHash('sha256').update(cookie).digest()
}
