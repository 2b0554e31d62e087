import type { FastifyRequest } from 'fastify'
import { AnchorageError } from '../../core/errors.ts'

const readers = new Set(['GET', 'HEAD', 'OPTIONS'])
const loopback = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/

/**
 * Our origin as the browser of `request` sees it: `http.publicUrl`. Without it, on loopback, what the browser itself names; anywhere else the
 * name of a host is not to be believed (`unavailable`, with what to configure).
 */
export function ownOrigin({ headers: { host = '' } }: FastifyRequest, publicUrl: string | null): string {
  if (publicUrl !== null) return publicUrl
  if (loopback.test(host)) return `http://${host}`
  throw new AnchorageError(
    'unavailable',
    'people cannot log in here yet: the operator is to set http.publicUrl',
  )
}

/**
 * Refuses (`forbidden`) a request by cookie that changes something and was not made by a page of ours: a browser sends the cookie along
 * with what other sites make it send. Browsers say which it was (Fetch Metadata); of those that do not, the origin is asked for.
 */
export function demandOwnPage(request: FastifyRequest, publicUrl: string | null): void {
  if (readers.has(request.method)) return
  const { origin, host, 'sec-fetch-site': site } = request.headers
  const own = publicUrl === null ? [`http://${host}`, `https://${host}`] : [publicUrl]
  const isOwn = site === undefined ? origin !== undefined && own.includes(origin) : site === 'same-origin'
  if (!isOwn)
    throw new AnchorageError(
      'forbidden',
      'a session cookie changes things only from pages of this very service',
    )
}
