import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AnchorageError, isCode } from '../core/errors.ts'
import type { RateStore } from '../core/ports.ts'
import { turns, type Turns } from '../core/turns.ts'
import type { Auth } from './auth.ts'
import { networkOf, sharersOf, type AddressOf } from './client-address.ts'
import { goneSignal } from './gone-signal.ts'
import { climb, counter, countTogether, windowSeconds } from './rate-ladder.ts'
import type { Counter, Limit, LimitState } from './rate-ladder.ts'
import { isPreflight } from './routing.ts'
import { cookieOf, sessionCookie, speaksByCookie } from './session/cookies.ts'

/** Limits in requests per minute, except for `atOncePerOrg`. */
export interface RateLimits {
  /** From one client address to the login and callback routes. */
  signInPerAddress: number
  /** From one client address without a credential. */
  anonymousPerAddress: number
  /**
   * From all clients without a credential together. Signing in has its own count of the same size. Networks from which somebody signed in
   * lately share yet another one, so that no flood from elsewhere keeps people out.
   */
  anonymous: number
  /** From one token or person. */
  perCaller: number
  /** From one org, through all of its tokens and members together. */
  perOrg: number
  /** How many requests of one org (or operator) are handled at a time; further ones wait for their turn. */
  atOncePerOrg: number
}

/**
 * A client with a wrong credential gets this many times the limit of a client without one. Programs keep using a token that has ended, and
 * each answer should tell them so.
 */
export const mistakesPerAnonymous = 5
/** The share of the common limit that one site may use, however many addresses it has. */
export const sharePerSite = 0.75
export const addressesPerSite = 4

/** How many requests of one org may wait for their turn. Only their heads are kept, since no body is read before its turn. */
export const waitingPerOrg = 1_000

/** Never counted: they are answered from memory, and monitors need them during a flood too. */
const exempt = new Set(['/v1/health', '/v1/ready', '/metrics'])
/**
 * The sign-in page and its files are never counted either. They are answered from memory, which costs no more than a refusal, so no flood
 * can make the page unavailable.
 */
const page = /^\/(?:$|pages\/)/
const signIn = new Set(['/v1/auth/login', '/v1/auth/callback'])
/** The identity provider calls this for all of its people, and the body proves who calls. */
const byProvider = new Set(['/v1/auth/backchannel-logout'])

/**
 * Counts every request before its route runs, and refuses with 429 what exceeds a limit. A request with a valid credential counts for its
 * principal and org. Any other request counts for the client's address first. Only if that admits it, it counts for the limit that all
 * strangers share, so one client cannot use that up.
 * Health, metrics and the sign-in page are never refused. Neither are CORS preflights: without them no page of another origin could use the
 * API.
 */
export function limitRates(
  app: FastifyInstance,
  limits: RateLimits,
  { identify }: Pick<Auth, 'identify'>,
  addressOf: AddressOf,
  store: RateStore | null,
): void {
  const count = counters(limits, store)
  const bySession = counter({ name: 'of one session', perMinute: limits.perCaller })
  const shares = turns({ atOnce: limits.atOncePerOrg, waiting: waitingPerOrg, what: 'requests of one org' })
  app.addHook('onRequest', async (request, reply) => {
    if (isExempt(request)) return
    const address = addressOf(request)
    const cookie = speaksByCookie(request) ? cookieOf(request, sessionCookie) : undefined
    const session = cookie === undefined ? null : await bySession(cookie)
    // Refused before Postgres is asked whose session it is.
    if (session?.refused === true) throw tooMany(session)
    const who = await whoOf(request, identify)
    const state = who === null ? null : await count(who, address)
    if (state === null) return
    setLimitHeaders(reply, state)
    if (state.refused) throw tooMany(state)
    if (typeof who === 'object' && who !== null) await takeTurn(shares, who.org ?? who.actor, reply)
  })
}

/** Waits for a turn, which ends with the answer. A client that disconnects stops waiting. */
async function takeTurn(shares: Turns, key: string, reply: FastifyReply): Promise<void> {
  const end = shares.takeNow(key) ?? (await shares.take(key, goneSignal(reply)))
  if (reply.raw.closed) end()
  reply.raw.once('finish', end).once('close', end)
}

type Who = 'stranger' | 'signing-in' | 'provider' | 'mistaken' | { actor: string; org: string | null }

function counters(
  limits: RateLimits,
  store: RateStore | null,
): (who: Who, address: string) => Promise<LimitState | null> {
  const { signInPerAddress, anonymousPerAddress, anonymous, perCaller, perOrg } = limits
  const ladders = {
    stranger: ladder('without an access token', anonymousPerAddress, anonymous),
    'signing-in': ladder('to sign in', signInPerAddress, anonymous, store),
    provider: ladder(
      'of an identity provider',
      mistakesPerAnonymous * anonymousPerAddress,
      mistakesPerAnonymous * anonymous,
    ),
    mistaken: ladder(
      'that are not authorized',
      mistakesPerAnonymous * anonymousPerAddress,
      mistakesPerAnonymous * anonymous,
    ),
  }
  const ofActor = counter({ name: 'of one caller', perMinute: perCaller })
  const ofOrg = counter({ name: 'of one org', perMinute: perOrg })
  return (who, address) => {
    if (typeof who !== 'object') return ladders[who](address)
    const { actor, org } = who
    return climb([() => ofActor(actor), ...(org === null ? [] : [() => ofOrg(org)])])
  }
}

/**
 * Counts by address, then by site if the address tells its site, then for all addresses together. With `store` it also counts over all
 * nodes, and networks from which somebody signed in lately are counted apart from all others.
 */
function ladder(
  name: string,
  perAddress: number,
  forAll: number,
  store: RateStore | null = null,
): (address: string) => Promise<LimitState | null> {
  const rung = (whose: string, perMinute: number): { limit: Limit; count: Counter } => {
    const limit = { name: `${name} from ${whose}`, perMinute }
    return { limit, count: counter(limit) }
  }
  const perSite = Math.min(addressesPerSite * perAddress, Math.floor(sharePerSite * forAll))
  const byAddress = [rung('one address', perAddress), rung('one network', Math.max(perAddress, perSite))]
  const byAll = rung('all together', forAll)
  return async (address) => {
    const sharers = sharersOf(address)
    const near = byAddress.flatMap((each, index) =>
      sharers.slice(index, index + 1).map((key) => ({ ...each, key })),
    )
    const nearest = await climb(
      near.map(
        ({ count, key }) =>
          () =>
            count(key),
      ),
    )
    if (nearest?.refused === true) return nearest
    const key = store !== null && (await isKnown(store, networkOf(address))) ? 'known' : 'all'
    const far = [async () => nearest, () => byAll.count(key)]
    if (store === null) return climb(far)
    const keyed = [...near, { ...byAll, key }].map((step) => ({ ...step.limit, key: `${name} ${step.key}` }))
    return climb([...far, () => countTogether(store, keyed)])
  }
}

/** Whether somebody signed in from `network` lately; false while Postgres is unavailable. */
async function isKnown(store: RateStore, network: string): Promise<boolean> {
  try {
    return await store.signedInFrom(network)
  } catch (error) {
    if (isCode(error, 'unavailable')) return false
    throw error
  }
}

function isExempt(request: FastifyRequest): boolean {
  const url = request.routeOptions.url ?? ''
  if (exempt.has(url) || page.test(url)) return true
  return isPreflight(request)
}

/** Who sends the request. Null when that cannot be determined just now; such a request is not counted. */
async function whoOf(request: FastifyRequest, identify: Auth['identify']): Promise<Who | null> {
  const url = request.routeOptions.url ?? ''
  if (signIn.has(url)) return 'signing-in'
  if (byProvider.has(url)) return 'provider'
  // Browsers send the cookie along with every page, so a route that needs no credential does not look it up in Postgres.
  if (isOpen(request) && request.headers.authorization === undefined) return 'stranger'
  try {
    const principal = await identify(request)
    return principal === null ? 'stranger' : { actor: principal.actor, org: principal.orgId }
  } catch (error) {
    // Where no credential is needed, a wrong one counts like none.
    if (!isCode(error, 'unauthenticated', 'forbidden', 'not_found')) return null
    return isOpen(request) ? 'stranger' : 'mistaken'
  }
}

/** Whether this path needs no credential, according to the schema of its route. */
function isOpen({ is404, routeOptions: { schema } }: FastifyRequest): boolean {
  return is404 || schema === undefined || schema.hide === true || schema.security?.length === 0
}

/**
 * Sets the three `ratelimit-*` headers of the older draft, which clients know, and the customary `x-ratelimit-*` ones (`reset` as Unix
 * time), which the pinning compliance suite reads.
 */
function setLimitHeaders(reply: FastifyReply, { limit, remaining, resetMs }: LimitState): void {
  const seconds = Math.ceil(resetMs / 1000)
  reply.header('ratelimit-limit', limit.perMinute)
  reply.header('ratelimit-remaining', remaining)
  reply.header('ratelimit-reset', seconds)
  reply.header('x-ratelimit-limit', limit.perMinute)
  reply.header('x-ratelimit-remaining', remaining)
  reply.header('x-ratelimit-reset', Math.ceil(Date.now() / 1000) + seconds)
}

function tooMany({ limit, resetMs }: LimitState): AnchorageError {
  const retryAfterSeconds = Math.max(1, Math.ceil(resetMs / 1000))
  return new AnchorageError(
    'too_many',
    `too many requests ${limit.name}: at most ${limit.perMinute} in ${windowSeconds} seconds; try again in ${retryAfterSeconds} s`,
    { retryAfterSeconds, bound: `requests ${limit.name}` },
  )
}
