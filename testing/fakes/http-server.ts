/** Fakes for the tests of this folder: use cases in memory whose functions a test can replace, and a log that keeps its lines. */
import type { FastifyInstance } from 'fastify'
import { AnchorageError } from '../../src/core/errors.ts'
import { fakeOrgs, type FakeOrgs } from './orgs.ts'
import { mintId } from '../../src/core/ids.ts'
import { usableOrigins } from '../../src/core/origin.ts'
import type { Pin, PinRequest } from '../../src/core/pin.ts'
import type { PinUseCases } from '../../src/core/pins.ts'
import type { Log } from '../../src/core/ports.ts'
import { scopes } from '../../src/core/token.ts'
import type { OrgPrincipal, Scope } from '../../src/core/token.ts'
import type { Health } from '../../src/http/health.ts'
import { fakeOperator, type FakeOperator } from './operator.ts'
import type { Scrape } from '../../src/http/metrics.ts'
import { httpServer } from '../../src/http/server.ts'
import type { HttpServerOptions } from '../../src/http/server.ts'

export const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
export const peer = '/ip4/203.0.113.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'

/** Pins of one org, in a map; every call's arguments are kept. */
export interface FakePins extends PinUseCases {
  kept: Map<string, Pin>
  calls: { name: keyof PinUseCases; arguments: unknown[] }[]
}

export function fakePins(): FakePins {
  const kept = new Map<string, Pin>()
  const calls: FakePins['calls'] = []
  let createdMs = Date.UTC(2026, 0, 1)
  const accept = (request: PinRequest): Pin => {
    createdMs += 1
    const info = { status_details: 'waiting' }
    const pin = {
      id: mintId('pin'),
      status: 'queued',
      created: new Date(createdMs),
      delegates: [peer],
      info,
    } as const
    const { origins } = request.origins === undefined ? {} : usableOrigins(request.origins)
    kept.set(pin.id, { ...pin, ...request, ...(origins && { origins }), delegates: [peer] })
    return find(pin.id)
  }
  const find = (requestid: string): Pin => {
    const pin = kept.get(requestid)
    if (pin === undefined) throw new AnchorageError('not_found', 'there is no pin with this requestid')
    return pin
  }
  const noted =
    <A extends unknown[], R>(name: keyof PinUseCases, work: (...given: A) => R) =>
    async (...given: A): Promise<R> => {
      calls.push({ name, arguments: given })
      return work(...given)
    }
  return {
    kept,
    calls,
    create: noted('create', (_principal, request) => accept(request)),
    replace: noted('replace', (_principal, requestid, request) => {
      kept.delete(find(requestid).id)
      return accept(request)
    }),
    remove: noted('remove', (_principal, requestid) => void kept.delete(find(requestid).id)),
    get: noted('get', (_principal, requestid) => find(requestid)),
    list: noted('list', (_principal, { limit, before = Infinity }) => {
      const all = [...kept.values()].filter((pin) => pin.created.getTime() < before)
      return { count: all.length, results: all.reverse().slice(0, limit) }
    }),
  }
}

export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  fields: object
  message: string
}

export function memoryLog(): Log & { lines: LogLine[] } {
  const lines: LogLine[] = []
  const at = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields, message })
  const log = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  }
  return log
}

/** A bearer is the list of its scopes: `Bearer pins:read+pins:write`; `Bearer all` has all of them. */
export async function verifyFake(bearer: string): Promise<OrgPrincipal> {
  const asked = bearer === 'all' ? [...scopes] : bearer.split('+')
  const granted = scopes.filter((scope) => asked.includes(scope))
  if (granted.length === 0)
    throw new AnchorageError('unauthenticated', 'the access token is not valid: it is malformed')
  return { actor: mintId('tok'), orgId: mintId('org'), scopes: new Set<Scope>(granted), until: null }
}

export const fine: Health = { node: { id: 'nod_x', name: 'a' }, version: '1.2.3', away: null, reasons: [] }

export interface FakeServer {
  app: FastifyInstance
  pins: FakePins
  operator: FakeOperator
  fakeOrgs: FakeOrgs
  log: ReturnType<typeof memoryLog>
}

const fakeScrape: Scrape = {
  allow: ['127.0.0.0/8'],
  read: async () => ({ type: 'text/plain; version=0.0.4; charset=utf-8', text: 'anchorage_up 1\n' }),
}

export function fakeServer(options: Partial<HttpServerOptions> = {}): FakeServer {
  const { pins, operator, fakeOrgs, log, ...parts } = fakeParts()
  return { app: httpServer({ pins, operator, log, ...parts, ...options }), pins, operator, fakeOrgs, log }
}

/** The parts of a server, all in memory. */
export function fakeParts() {
  const log = memoryLog()
  const fake = fakeOrgs({ log })
  const { orgs, tokens } = fake
  return {
    pins: fakePins(),
    operator: fakeOperator(),
    fakeOrgs: fake,
    orgs,
    tokens,
    verify: verifyFake,
    health: () => fine,
    scrape: fakeScrape,
    log,
  }
}
