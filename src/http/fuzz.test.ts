import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { InjectOptions } from 'fastify'
import { cid, fakeServer, peer } from '../../testing/fakes/http-server.ts'
import { publishedCheck } from '../../testing/published-spec.ts'

const check = publishedCheck()
const { app, pins } = fakeServer()
const numRuns = 400

/** Checks that the answer to `request` has a shape of the spec; returns its status. */
async function holds(request: InjectOptions, name: 'PinStatus' | 'PinResults'): Promise<number> {
  pins.kept.clear()
  const headers = { authorization: 'Bearer all', ...request.headers }
  const { statusCode, body, headers: answered } = await app.inject({ ...request, headers })
  assert.ok(statusCode < 500, `${statusCode} ${body}`)
  assert.match(String(answered['content-type']), /^application\/json/)
  check(statusCode < 300 ? name : 'Failure', JSON.parse(body))
  return statusCode
}

/** Any Unicode text, including everything that databases and parsers stumble over. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '\0',
    '\u2028',
    '\ufeff',
    '__proto__',
    'constructor',
    '\ud800',
    '📌'.repeat(255),
    'x'.repeat(256),
    "'; drop table pins; --",
  ),
)
const goodText = fc.string({ unit: 'grapheme', maxLength: 60 })
const goodCid = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((digest) => `f01551220${Buffer.from(digest).toString('hex')}`)
const goodPort = fc.integer({ min: 1, max: 65_535 })
const goodOrigins = fc
  .uniqueArray(goodPort, { maxLength: 20 })
  .map((ports) => ports.map((port) => peer.replace('4001', String(port))))
const goodBody = fc.record(
  { cid: goodCid, name: goodText, meta: fc.dictionary(goodText, goodText), origins: goodOrigins },
  { requiredKeys: ['cid'] },
)

test('valid bodies are accepted and kept unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(
      goodBody,
      fc.dictionary(fc.constantFrom('a', 'status', 'created'), fc.jsonValue()),
      async (body, extra) => {
        const request: InjectOptions = { method: 'POST', url: '/v1/pins', payload: { ...extra, ...body } }
        assert.equal(await holds(request, 'PinStatus'), 202)
        const [kept] = pins.kept.values()
        for (const key of ['cid', 'name', 'meta', 'origins'] as const)
          assert.equal(JSON.stringify(kept?.[key]), JSON.stringify(body[key]))
      },
    ),
    { numRuns },
  )
})

test('any body is accepted or refused, in the shape of the spec', async () => {
  const value = fc.oneof({ weight: 3, arbitrary: text }, fc.jsonValue(), fc.constant(undefined))
  const almost = fc.record({
    cid: fc.oneof(goodCid, value),
    name: fc.oneof(fc.constant(undefined), text, value),
    meta: fc.oneof(fc.constant(undefined), fc.dictionary(text, fc.oneof(text, value)), value),
    origins: fc.oneof(fc.constant(undefined), fc.array(fc.oneof(fc.constant(peer), text, value)), value),
  })
  const payload = fc.oneof(
    almost.map((body) => JSON.stringify(body)),
    fc.json(),
    fc.string(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  )
  const type = fc.oneof(
    { weight: 9, arbitrary: fc.constant('application/json') },
    fc.constantFrom('text/plain', '', 'application/json; charset=x', ';'),
  )
  await fc.assert(
    fc.asyncProperty(
      payload,
      type,
      fc.constantFrom('/v1/pins', '/v1/pins/x'),
      async (body, contentType, url) => {
        await holds(
          { method: 'POST', url, payload: body, headers: { 'content-type': contentType } },
          'PinStatus',
        )
      },
    ),
    { numRuns },
  )
})

test('any query is answered or refused, in the shape of the spec', async () => {
  const name = fc.oneof(
    {
      weight: 9,
      arbitrary: fc.constantFrom(
        'cid',
        'name',
        'match',
        'status',
        'before',
        'after',
        'limit',
        'meta',
        'meta[a]',
        'meta[',
      ),
    },
    text,
  )
  const value = fc.oneof(
    text,
    goodCid,
    fc.json(),
    fc.date().map((date) => (Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString())),
    fc.integer().map(String),
    fc.double().map(String),
    fc.constantFrom(
      'queued',
      'pinned,failed',
      'exact',
      'partial',
      `${cid},${cid}`,
      'map[a:b]',
      'map[',
      '2016-12-31T23:59:60Z',
      '0000-01-01T00:00:00+23:59',
    ),
  )
  const encoded = (part: string) => encodeURIComponent(part.toWellFormed())
  const pair = fc.tuple(name, value).map(([key, each]) => `${encoded(key)}=${encoded(each)}`)
  const query = fc.oneof(
    { weight: 4, arbitrary: fc.array(pair, { maxLength: 5 }).map((pairs) => pairs.join('&')) },
    fc.webQueryParameters(),
  )
  const statuses = new Map<number, number>()
  await fc.assert(
    fc.asyncProperty(query, async (each) => {
      const status = await holds({ url: `/v1/pins?${each}` }, 'PinResults')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }),
    { numRuns: numRuns * 2 },
  )
  assert.ok((statuses.get(200) ?? 0) > 20 && (statuses.get(400) ?? 0) > 20, 'both sides are reached')
})

test('any path and method is answered, never with a 5xx', async () => {
  const path = fc.oneof(
    fc.webPath(),
    text.map((each) => `/v1/pins/${encodeURIComponent(each.toWellFormed())}`),
    fc.string({ unit: fc.constantFrom('/', 'v1', 'pins', '%', '%2f', '.', '?', '#', ':') }),
  )
  const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD', 'QUERY', 'TRACE')
  await fc.assert(
    fc.asyncProperty(path, method, async (each, verb) => {
      const url = each.startsWith('/') ? each : `/${each}`
      const options = Object.assign(
        { url: { pathname: url }, headers: { authorization: 'Bearer all' } },
        { method: verb },
      ) as InjectOptions
      const { statusCode, body } = await app.inject(options)
      assert.ok(statusCode < 500, `${verb} ${url}: ${statusCode} ${body}`)
      if (statusCode >= 400 && verb !== 'HEAD') check('Failure', JSON.parse(body))
    }),
    { numRuns },
  )
})
