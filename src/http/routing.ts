import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { failure } from './errors.ts'

/** A proxy asks by whole addresses: `GET http://host/path`. */
const wholeAddress = /^https?:\/\/[^/?#]*/i
const nothingHere = 'there is nothing at this path; the API is described at /v1/docs'

/** Which methods each path of the server takes; asked only about requests that matched no route. */
export interface Routing {
  /** The methods of the path of `url`, in the order of an `Allow` header; empty when there is no such path. */
  methodsOf(url: string): string[]
}

/** Notes every route that is added to `app` from now on. */
export function noteRoutes(app: FastifyInstance): Routing {
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    if (url.endsWith('*')) return
    const known = methods.get(url) ?? new Set()
    for (const each of [method].flat()) known.add(each)
    methods.set(url, known)
  })
  return {
    methodsOf(url) {
      const path = url.replace(wholeAddress, '').split(/[?#]/, 1)[0] ?? ''
      const found = [...methods].find(([pattern]) => matches(pattern.split('/'), path.split('/')))
      return found === undefined ? [] : [...found[1], 'OPTIONS'].sort()
    },
  }
}

function matches(pattern: string[], path: string[]): boolean {
  if (pattern.length !== path.length) return false
  return pattern.every((part, i) => part === path[i] || (part.startsWith(':') && path[i] !== ''))
}

/** Answers what matched no route before any body is read, and after the hooks that were added before this. */
export function answerUnroutedEarly(app: FastifyInstance, routing: Routing): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) answerUnrouted(routing, request, reply)
    else done()
  })
  app.setNotFoundHandler((request, reply) => answerUnrouted(routing, request, reply))
}

/**
 * Answers what matched no route: 404, or 405 for a path that takes other methods,
 * or what a browser asks before it sends a request of its own (any origin may: a bearer is needed, cookies are not looked at).
 */
function answerUnrouted(routing: Routing, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const methods = routing.methodsOf(request.raw.url ?? '')
  if (methods.length === 0) return reply.code(404).send(failure('NOT_FOUND', nothingHere))
  const allow = methods.join(', ')
  reply.header('allow', allow)
  if (request.method !== 'OPTIONS') {
    return reply.code(405).send(failure('METHOD_NOT_ALLOWED', `this path takes ${allow}`))
  }
  return reply
    .code(204)
    .header('access-control-allow-methods', allow)
    .header('access-control-allow-headers', 'authorization, content-type, x-request-id')
    .header('access-control-max-age', '86400')
    .send()
}
