import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { InjectOptions } from 'fastify'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { maxCidBytes } from '../core/cid.ts'
import { maxOriginLength } from '../core/origin.ts'
import { maxReplicas } from '../core/replicas.ts'
import { longestMs } from '../core/tokens.ts'
import { cid, fakeServer, peer } from '../../testing/fakes/http-server.ts'
import { defaultLimits } from './http-limits.ts'
import { maxCids, maxMetaKeys, maxMetaPairs, maxNameLength, maxOriginsSent, maxPage } from './spec/schema.ts'

const json = { authorization: 'Bearer all', 'content-type': 'application/json' }
const sent = (method: 'POST' | 'PUT', url: string, payload: unknown): InjectOptions => ({
  method,
  url,
  headers: json,
  payload: JSON.stringify(payload),
})
const pin = (more: object): InjectOptions => sent('POST', '/v1/pins', { cid, ...more })
const list = (query: string): InjectOptions => ({ url: `/v1/pins?${query}`, headers: json })
const token = (more: object): InjectOptions => sent('POST', '/v1/tokens', { scopes: ['pins:read'], ...more })
const pairs = (n: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 'v']))
/** A CID of `length` bytes, a different one for each `fill`. It holds its content itself. */
function cidOf(length: number, fill = 0): string {
  const head = length < 130 ? 4 : 5
  return CID.createV1(0x55, create(0x00, new Uint8Array(length - head).fill(fill))).toString()
}

/** One bound: its name, a request that uses `n` of it, the most that is allowed, and the status of a request beyond it. */
const bounds: [what: string, ask: (n: number) => InjectOptions, most: number, beyond?: number][] = [
  ['characters of a name', (n) => pin({ name: 'x'.repeat(n) }), maxNameLength],
  ['characters of a name that take four bytes each', (n) => pin({ name: '😀'.repeat(n) }), maxNameLength],
  ['keys of meta', (n) => pin({ meta: pairs(n) }), maxMetaKeys],
  ['origins that are sent', (n) => pin({ origins: Array(n).fill(peer) }), maxOriginsSent],
  ['characters of an origin', (n) => pin({ origins: [`/${'x'.repeat(n - 1)}`] }), maxOriginLength],
  [
    'bytes of a body',
    (n) => ({ ...pin({}), payload: JSON.stringify({ cid }).padEnd(n) }),
    defaultLimits.maxBodyBytes,
    413,
  ],
  [
    'CIDs of a filter',
    (n) => list(`cid=${Array.from({ length: n }, (_, i) => cidOf(8, i)).join()}`),
    maxCids,
  ],
  ['characters of a name in a filter', (n) => list(`name=${'x'.repeat(n)}`), maxNameLength],
  ['bytes of a CID', (n) => list(`cid=${cidOf(n)}`), maxCidBytes],
  [
    'pairs of a meta filter',
    (n) => list(`meta=${encodeURIComponent(JSON.stringify(pairs(n)))}`),
    maxMetaPairs,
  ],
  ['pins of a page', (n) => list(`limit=${n}`), maxPage],
  ['characters of the name of a token', (n) => token({ name: 'x'.repeat(n) }), 255],
  ['seconds that a token lives', (n) => token({ ttlSeconds: n }), longestMs / 1000],
  [
    'replicas that pins of an org may ask for',
    (n) => sent('PUT', '/v1/orgs/acme/limits', { maxReplicas: n }),
    maxReplicas,
  ],
]

suite('a request at its bound, or one below, is accepted, and one above is refused', () => {
  const server = fakeServer()
  server.fakeOrgs.newOrg('acme')
  for (const [what, ask, most, beyond = 400] of bounds) {
    test(what, async () => {
      for (const n of [most - 1, most]) {
        const { statusCode, body } = await server.app.inject(ask(n))
        assert.ok(statusCode < 300, `${n}: ${body}`)
      }
      assert.equal((await server.app.inject(ask(most + 1))).statusCode, beyond)
    })
  }
})
