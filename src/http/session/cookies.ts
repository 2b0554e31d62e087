import type { FastifyRequest } from 'fastify'
import type { KeptCookie } from '../../core/sessions.ts'

/**
 * The prefix binds the cookie to exactly this host, over TLS (or on loopback), for all paths: no other host under the same domain can set
 * it (RFC 6265bis, section 4.1.3.2).
 */
export const sessionCookie = '__Host-anchorage'
/** Holds the state of a login while the person is at the provider. */
export const loginCookie = '__Host-anchorage-login'

/** Lax: a browser sends the cookie when a link or the provider leads here, but not when another site posts to us. */
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax'

/** The value of the cookie `name` that a request brings. */
export function cookieOf(
  { headers: { cookie } }: Pick<FastifyRequest, 'headers'>,
  name: string,
): string | undefined {
  const start = `${name}=`
  const found = cookie?.split(';').find((pair) => pair.trim().startsWith(start))
  return found?.trim().slice(start.length)
}

/** Whether a request is identified by its session cookie. If it also has a bearer, the bearer identifies it. */
export function speaksByCookie(request: Pick<FastifyRequest, 'headers'>): boolean {
  return request.headers.authorization === undefined && cookieOf(request, sessionCookie) !== undefined
}

/** The `set-cookie` header that gives a browser `kept`. */
export function setCookie(name: string, { value, maxAgeMs }: KeptCookie): string {
  return `${name}=${value}; Max-Age=${Math.floor(maxAgeMs / 1000)}; ${attributes}`
}

/** The `set-cookie` header that makes a browser delete the cookie. */
export function dropCookie(name: string): string {
  return `${name}=; Max-Age=0; ${attributes}`
}
