import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AnchorageError, isCode } from '../core/errors.ts'
import type { RateStore } from '../core/ports.ts'
import { turns, type Turns } from '../core/turns.ts'
import type { Auth } from './auth.ts'
import { networkOf, sharersOf, type AddressOf } from './client-address.ts'
import { goneSignal } from './gone-signal.ts'
import { climb, counter, countTogether, windowSeconds } from './rate-ladder.ts'
import type { Counter, Limit, Standing } from './rate-ladder.ts'
import { isPreflight } from './routing.ts'
import { cookieOf, sessionCookie, speaksByCookie } from './session/cookies.ts'

/** How many requests a minute. */
export interface RateLimits {
  /** Of one client address to where people sign in and come back. */
  signInPerAddress: number
  /** Of one client address without a credential. */
  anonymousPerAddress: number
  /**
   * Of all without a credential together. Signing in has as many of its own, and from where somebody signed in lately as many again, so that
   * no flood from elsewhere keeps people out.
   */
  anonymous: number
  /** Of one token or person. */
  perCaller: number
  /** Of one org, whatever tokens and people it has. */
  perOrg: number
  /** Requests of one org (or operator) that are worked on at a time; more wait for their turn. */
  atOncePerOrg: number
}

/**
 * Who shows a wrong credential gets more than who shows none: programs go on with a token that is over, and are to read each time that
 * it is.
 */
export const mistakesPerAnonymous = 5
/** What one site may take of what all have, however many addresses it has. */
export const sharePerSite = 0.75
export const addressesPerSite = 4

/** So many of an org's requests wait for their turn; heads only, since no body is read before it. */
export const waitingPerOrg = 1_000

/** Answered from memory to whoever watches the node, during a flood too. */
const exempt = new Set(['/v1/health', '/v1/ready', '/metrics'])
/** The page where people sign in and its files: answered from memory, which costs no more than to refuse them, and no flood shuts it. */
const page = /^\/(?:$|pages\/)/
const signIn = new Set(['/v1/auth/login', '/v1/auth/callback'])
/** Asked by the identity provider for all of its people, and proves who asks by its body. */
const byProvider = new Set(['/v1/auth/backchannel-logout'])

/**
 * Counts every request before its route, and refuses what is too much with 429: a caller's by the caller; everyone else's by the client's
 * address first, and only what that lets through by what all strangers share, so that one client cannot use that up.
 * Health and metrics are never refused, nor is a browser's question whether it may ask (no page elsewhere could use the API otherwise).
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
    // Postgres is not asked whose it is.
    if (session?.refused === true) throw tooMany(session)
    const who = await whoOf(request, identify)
    const standing = who === null ? null : await count(who, address)
    if (standing === null) return
    tell(reply, standing)
    if (standing.refused) throw tooMany(standing)
    if (typeof who === 'object' && who !== null) await takeTurn(shares, who.org ?? who.caller, reply)
  })
}

/** Waits for a turn, which ends with the answer; who hangs up waits no longer. */
async function takeTurn(shares: Turns, key: string, reply: FastifyReply): Promise<void> {
  const end = shares.takeNow(key) ?? (await shares.take(key, goneSignal(reply)))
  if (reply.raw.closed) end()
  reply.raw.once('finish', end).once('close', end)
}

type Who = 'stranger' | 'signing-in' | 'provider' | 'mistaken' | { caller: string; org: string | null }

function counters(
  limits: RateLimits,
  store: RateStore | null,
): (who: Who, address: string) => Promise<Standing | null> {
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
  const ofCaller = counter({ name: 'of one caller', perMinute: perCaller })
  const ofOrg = counter({ name: 'of one org', perMinute: perOrg })
  return (who, address) => {
    if (typeof who !== 'object') return ladders[who](address)
    const { caller, org } = who
    return climb([() => ofCaller(caller), ...(org === null ? [] : [() => ofOrg(org)])])
  }
}

/**
 * Counts by address, by site where an address tells its site, and then for all; with `store` over all nodes as well, and from where somebody
 * signed in lately apart from all others.
 */
function ladder(
  name: string,
  perAddress: number,
  forAll: number,
  store: RateStore | null = null,
): (address: string) => Promise<Standing | null> {
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

/** While Postgres is away nobody is. */
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

/** Null: counted for nobody, since nobody can tell just now who asks. */
async function whoOf(request: FastifyRequest, identify: Auth['identify']): Promise<Who | null> {
  const url = request.routeOptions.url ?? ''
  if (signIn.has(url)) return 'signing-in'
  if (byProvider.has(url)) return 'provider'
  // Nobody asks Postgres whose cookie it is that comes along with a page.
  if (isOpen(request) && request.headers.authorization === undefined) return 'stranger'
  try {
    const caller = await identify(request)
    return caller === null ? 'stranger' : { caller: caller.by, org: caller.orgId }
  } catch (error) {
    // Where no credential is asked for, a wrong one is no better than none.
    if (!isCode(error, 'unauthenticated', 'forbidden', 'not_found')) return null
    return isOpen(request) ? 'stranger' : 'mistaken'
  }
}

/** Whether nothing at this path asks for a credential, as its schema says. */
function isOpen({ is404, routeOptions: { schema } }: FastifyRequest): boolean {
  return is404 || schema === undefined || schema.hide === true || schema.security?.length === 0
}

/** The older draft's three headers, which clients know, and the same as the custom is (`reset` as Unix time), which the pinning suite reads. */
function tell(reply: FastifyReply, { limit, remaining, resetMs }: Standing): void {
  const seconds = Math.ceil(resetMs / 1000)
  reply.header('ratelimit-limit', limit.perMinute)
  reply.header('ratelimit-remaining', remaining)
  reply.header('ratelimit-reset', seconds)
  reply.header('x-ratelimit-limit', limit.perMinute)
  reply.header('x-ratelimit-remaining', remaining)
  reply.header('x-ratelimit-reset', Math.ceil(Date.now() / 1000) + seconds)
}

function tooMany({ limit, resetMs }: Standing): AnchorageError {
  const retryAfterSeconds = Math.max(1, Math.ceil(resetMs / 1000))
  return new AnchorageError(
    'too_many',
    `too many requests ${limit.name}: at most ${limit.perMinute} in ${windowSeconds} seconds; try again in ${retryAfterSeconds} s`,
    { retryAfterSeconds, bound: `requests ${limit.name}` },
  )
}
