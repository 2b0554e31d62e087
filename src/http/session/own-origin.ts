import type { FastifyRequest } from 'fastify'
import { AnchorageError } from '../../core/errors.ts'

const readers = new Set(['GET', 'HEAD', 'OPTIONS'])
const loopback = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/

/**
 * Our origin as the browser of `request` sees it: `http.publicUrl`. Without that, the origin that the browser names, but only on loopback.
 * Any other host name cannot be trusted: throws `unavailable`, with what to configure.
 */
export function ownOrigin({ headers: { host = '' } }: FastifyRequest, publicUrl: string | null): string {
  if (publicUrl !== null) return publicUrl
  if (loopback.test(host)) return `http://${host}`
  throw new AnchorageError('unavailable', 'people cannot log in yet: the operator must set http.publicUrl')
}

/**
 * Refuses with `forbidden` a request with a session cookie that changes something and does not come from a page of ours: a browser sends
 * the cookie also with requests that other sites make it send. Fetch Metadata says where a request comes from; a browser without it must
 * send our origin.
 */
export function demandOwnPage(request: FastifyRequest, publicUrl: string | null): void {
  if (readers.has(request.method)) return
  const { origin, host, 'sec-fetch-site': site } = request.headers
  const own = publicUrl === null ? [`http://${host}`, `https://${host}`] : [publicUrl]
  const isOwn = site === undefined ? origin !== undefined && own.includes(origin) : site === 'same-origin'
  if (!isOwn)
    throw new AnchorageError(
      'forbidden',
      'a request with a session cookie may change something only if it comes from a page of this service',
    )
}
