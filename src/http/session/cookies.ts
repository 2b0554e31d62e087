import type { FastifyRequest } from 'fastify'
import type { KeptCookie } from '../../core/session-use-cases.ts'

/**
 * The prefix binds a cookie to this very host, over TLS (or on loopback), for all paths: no neighbour under the same domain can set it
 * (RFC 6265bis, section 4.1.3.2).
 */
export const sessionCookie = '__Host-anchorage'
/** What a login keeps while the person is at the provider. */
export const loginCookie = '__Host-anchorage-login'

/** Lax: it comes along when a link or the provider leads here, and with nothing that another site posts. */
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

/** Whether a request speaks by its cookie: a bearer beside it is what it is judged by. */
export function speaksByCookie(request: Pick<FastifyRequest, 'headers'>): boolean {
  return request.headers.authorization === undefined && cookieOf(request, sessionCookie) !== undefined
}

/** The `set-cookie` header that gives a browser `kept`. */
export function setCookie(name: string, { value, maxAgeMs }: KeptCookie): string {
  return `${name}=${value}; Max-Age=${Math.floor(maxAgeMs / 1000)}; ${attributes}`
}

/** The one that takes it away. */
export function dropCookie(name: string): string {
  return `${name}=; Max-Age=0; ${attributes}`
}
