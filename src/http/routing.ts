import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { failure } from './errors.ts'

/** Clients append their paths to base URLs that end in a slash. So repeated slashes count as one, and a slash at the end is ignored. */
export const slashes = { ignoreDuplicateSlashes: true, ignoreTrailingSlash: true }

/** Proxies may send absolute URLs: `GET http://host/path`. */
const wholeAddress = /^https?:\/\/[^/?#]*/i
const nothingHere = 'there is nothing at this path; the API is described at /v1/docs'
/** The answer to a client with a wrong base URL. */
export const pinsAreElsewhere =
  'there is nothing at this path: pins are at /v1/pins. The base URL for a client is the address of this ' +
  'server followed by /v1. Clients append /pins themselves'

/** The methods that each path of the server takes. Used only for requests that match no route. */
export interface Routing {
  /** The methods of `path`, in the order of an `Allow` header; empty when there is no such path. */
  methodsOf(path: string): string[]
  /** The declared pattern of the route that `path` matches. */
  routeOf(path: string): string | undefined
}

/** Records every route that is added to `app` from now on. */
export function noteRoutes(app: FastifyInstance): Routing {
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    if (url.endsWith('*')) return
    const known = methods.get(url) ?? new Set()
    for (const each of [method].flat()) known.add(each)
    methods.set(url, known)
  })
  const routeOf = (path: string): string | undefined =>
    methods.keys().find((pattern) => matches(pattern.split('/'), path.split('/')))
  return {
    methodsOf(path) {
      const found = methods.get(routeOf(path) ?? '')
      return found === undefined ? [] : [...found, 'OPTIONS'].sort()
    },
    routeOf,
  }
}

/** The path of `url`, normalised as it is for matching routes. */
function pathOf(url: string): string {
  const [path = ''] = url.replace(wholeAddress, '').split(/[?#]/, 1)
  return path.replaceAll(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '')
}

function matches(pattern: string[], path: string[]): boolean {
  if (pattern.length !== path.length) return false
  return pattern.every((part, i) => part === path[i] || (part.startsWith(':') && path[i] !== ''))
}

/** Answers requests that match no route before their body is read, and after the hooks that were added before this one. */
export function answerUnroutedEarly(app: FastifyInstance, routing: Routing): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) answerUnrouted(routing, request, reply)
    else done()
  })
  app.setNotFoundHandler((request, reply) => answerUnrouted(routing, request, reply))
}

/**
 * Answers a request that matches no route: with 404, with 405 for a path that takes other methods, or as a CORS preflight. Any origin is
 * allowed: pages of other origins need a bearer, and cookies are not looked at.
 */
function answerUnrouted(routing: Routing, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = pathOf(request.raw.url ?? '')
  const methods = routing.methodsOf(path)
  if (methods.length === 0) {
    // Lets a page of another origin read the 404 and its reason.
    if (isPreflight(request)) return allowAll(reply, '*')
    return reply.code(404).send(failure('NOT_FOUND', whereInstead(routing, path)))
  }
  const allow = methods.join(', ')
  reply.header('allow', allow)
  if (request.method === 'OPTIONS') return allowAll(reply, allow)
  return reply.code(405).send(failure('METHOD_NOT_ALLOWED', `this path accepts only ${allow}`))
}

/** Whether this is a CORS preflight. */
export function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

function allowAll(reply: FastifyReply, methods: string): FastifyReply {
  return reply
    .code(204)
    .header('access-control-allow-methods', methods)
    .header('access-control-allow-headers', 'authorization, content-type, x-request-id')
    .header('access-control-max-age', '86400')
    .send()
}

/** The details of a 404: the right path instead of `path`, if it can be known. */
function whereInstead(routing: Routing, path: string): string {
  const lower = path.toLowerCase()
  if (lower.split('/').includes('pins')) return pinsAreElsewhere
  const route = routing.routeOf(lower) ?? routing.routeOf(`/v1${lower}`)
  return route === undefined ? nothingHere : `there is nothing at this path: use ${route}`
}
