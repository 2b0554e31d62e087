import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { InjectOptions } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Degradation } from '../core/node.ts'
import { cid, fakeServer, fine, peer } from '../../testing/fakes/http-server.ts'
import type { FakeServer } from '../../testing/fakes/http-server.ts'
import { publishedCheck } from '../../testing/published-spec.ts'

const check = publishedCheck()
const all = { authorization: 'Bearer all' }
const json = { ...all, 'content-type': 'application/json' }
const unknownPin = 'pin_01h455vb4pex5vsknk084sn02q'

/** Sends a request as `all`, and checks what holds for every answer. */
async function ask({ app }: FakeServer, options: InjectOptions) {
  const response = await app.inject({ headers: all, ...options })
  assert.match(String(response.headers['x-request-id']), /^[\w.:-]+$/)
  assert.equal(response.headers['access-control-allow-origin'], '*')
  assert.equal(response.headers['x-content-type-options'], 'nosniff')
  assert.equal(response.headers['strict-transport-security'], undefined)
  assert.match(String(response.headers['access-control-expose-headers']), /x-request-id.*ratelimit-reset/)
  if (response.body !== '')
    assert.match(String(response.headers['content-type']), /^application\/json(; charset=utf-8)?$/)
  if (response.statusCode >= 400) check('Failure', response.json())
  return response
}

/** Sends a request that must be refused with this status and with details that match. */
async function refused(
  server: FakeServer,
  options: InjectOptions,
  status: number,
  details: RegExp,
  reason?: string,
) {
  const response = await ask(server, options)
  const what = `${options.method ?? 'GET'} ${JSON.stringify(options.url).slice(0, 200)}: ${response.statusCode} ${response.body.slice(0, 300)}`
  assert.equal(response.statusCode, status, what)
  const { error } = response.json()
  assert.match(error.details, details, what)
  if (reason !== undefined) assert.equal(error.reason, reason, what)
  return response
}

const post = (payload: unknown, headers: Record<string, string> = json): InjectOptions => ({
  method: 'POST',
  url: '/v1/pins',
  headers,
  payload: typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
})

test('a pin is added, read, listed, replaced and removed', async () => {
  const server = fakeServer()
  const request = { cid, name: 'a', meta: { app: 'x' }, origins: [peer] }
  const added = await ask(server, post(request))
  assert.equal(added.statusCode, 202)
  const pin = added.json()
  check('PinStatus', pin)
  assert.deepEqual(pin.pin, request)
  assert.match(pin.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

  const url = `/v1/pins/${pin.requestid}`
  const got = await ask(server, { url })
  assert.equal(got.statusCode, 200)
  assert.deepEqual(got.json(), pin)

  const listed = await ask(server, { url: '/v1/pins?status=queued' })
  check('PinResults', listed.json())
  assert.deepEqual(listed.json(), { count: 1, results: [pin] })

  const replaced = await ask(server, { ...post({ cid }), url })
  assert.equal(replaced.statusCode, 202)
  assert.notEqual(replaced.json().requestid, pin.requestid)
  assert.deepEqual(replaced.json().pin, { cid }, 'what was not given is absent, not null')
  await refused(server, { url }, 404, /no pin/, 'NOT_FOUND')

  const gone = `/v1/pins/${replaced.json().requestid}`
  const removed = await ask(server, { method: 'DELETE', url: gone })
  assert.equal(removed.statusCode, 202)
  assert.equal(removed.body, '')
  await refused(server, { method: 'DELETE', url: gone }, 404, /no pin/)
})

test('any text may be a requestid, and an unknown one is not found', async () => {
  const server = fakeServer()
  for (const id of [
    unknownPin,
    'x',
    '%00',
    '..%2f..',
    '%F0%9F%93%8C',
    '%20',
    "'%20or%201=1",
    'a'.repeat(50_000),
  ]) {
    await refused(server, { url: `/v1/pins/${id}` }, 404, /no pin/)
    await refused(server, { method: 'DELETE', url: `/v1/pins/${id}` }, 404, /no pin/)
    await refused(server, { ...post({ cid }), url: `/v1/pins/${id}` }, 404, /no pin/)
  }
  await refused(server, { url: '/v1/pins/%FF' }, 404, /percent-encoding/)
  await refused(server, { ...post({}), url: `/v1/pins/${unknownPin}` }, 400, /cid/)
})

test('without a valid bearer neither path, query nor body is read', async () => {
  const server = fakeServer()
  const requests: InjectOptions[] = [
    { url: '/v1/pins?limit=0' },
    { url: '/v1/pins/x' },
    { method: 'DELETE', url: '/v1/pins/x' },
    post('{'),
    post('x', { 'content-type': 'text/plain' }),
    { ...post('{'), url: '/v1/pins/x' },
  ]
  for (const request of requests) {
    const unnamed = await refused(
      server,
      { ...request, headers: { 'content-type': 'application/json' } },
      401,
      /Authorization: Bearer/,
    )
    assert.equal(unnamed.headers['www-authenticate'], 'Bearer')
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      'Basic YTpi',
      'all',
      'Bearer nonsense',
      'Bearer a b',
      `Bearer ${'x'.repeat(65_536)}`,
    ]) {
      await refused(server, { ...request, headers: { authorization } }, 401, /bearer|token/, 'UNAUTHORIZED')
    }
  }
  assert.deepEqual(server.pins.calls, [])
  const spelled = await ask(server, { url: '/v1/pins', headers: { authorization: 'bearer  all' } })
  assert.equal(spelled.statusCode, 200, 'the scheme is case-insensitive')
})

test('each route demands its scope and names it', async () => {
  const server = fakeServer()
  const routes: [InjectOptions, string][] = [
    [{ url: '/v1/pins' }, 'pins:read'],
    [{ url: `/v1/pins/${unknownPin}` }, 'pins:read'],
    [post({ cid }), 'pins:write'],
    [{ ...post({ cid }), url: `/v1/pins/${unknownPin}` }, 'pins:write'],
    [{ method: 'DELETE', url: `/v1/pins/${unknownPin}` }, 'pins:delete'],
  ]
  for (const [request, scope] of routes) {
    const others = ['pins:read', 'pins:write', 'pins:delete'].filter((each) => each !== scope).join('+')
    const headers = { ...json, authorization: `Bearer ${others}` }
    await refused(server, { ...request, headers }, 403, new RegExp(scope), 'FORBIDDEN')
    const allowed = await ask(server, { ...request, headers: { ...json, authorization: `Bearer ${scope}` } })
    assert.notEqual(allowed.statusCode, 403)
  }
})

test('an invalid body is refused with the name of the field, and reaches no use case', async () => {
  const server = fakeServer()
  const long = 'x'.repeat(256)
  const wrong: [unknown, RegExp][] = [
    ['', /^the body: missing/],
    ['{', /not JSON/],
    ['null', /the body: must be a JSON object/],
    ['[]', /the body: must be a JSON object/],
    ['"x"', /the body/],
    ['7', /the body/],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /UTF-8/],
    ['{"cid":"\\ud800"}', /^cid/],
    [{}, /^cid: missing/],
    [{ cid: null }, /^cid: must be a string/],
    [{ cid: 7 }, /^cid/],
    [{ cid: '' }, /^cid/],
    [{ cid: 'QmCIDToBePinned' }, /^cid: not a CID/],
    [{ cid: `${cid}/path` }, /^cid/],
    [{ cid: `z${'2'.repeat(100_000)}` }, /^cid: must have at most/],
    [{ cid, name: null }, /^name/],
    [{ cid, name: 7 }, /^name/],
    [{ cid, name: long }, /^name: must have at most 255 characters/],
    [{ cid, name: '📌'.repeat(256) }, /^name/],
    [`{"cid":"${cid}","name":"\\ud83d"}`, /^name: .*surrogate/],
    [{ cid, meta: null }, /^meta/],
    [{ cid, meta: [] }, /^meta: must be a JSON object/],
    [{ cid, meta: { a: 1 } }, /^meta.a: must be a string/],
    [{ cid, meta: { 'a\nb': 1 } }, /^meta.a\\nb: must be a string/],
    [`{"cid":"${cid}","meta":{"__proto__":1}}`, /^meta.__proto__/],
    [{ cid, meta: { a: null } }, /^meta.a/],
    [`{"cid":"${cid}","meta":{"a":"\\udc00"}}`, /^meta.a: .*surrogate/],
    [`{"cid":"${cid}","meta":{"\\udc00":"a"}}`, /^a key of meta: .*surrogate/],
    [
      { cid, meta: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, ''])) },
      /^meta: must have at most 1000/,
    ],
    [{ cid, origins: null }, /^origins/],
    [{ cid, origins: peer }, /^origins/],
    [{ cid, origins: [7] }, /^origins.0/],
    [
      { cid, origins: [peer, 'ip4/127.0.0.1/tcp/4001'] },
      /^origins.1: .*begins with a slash, such as .*\/p2p\/PEERID/,
    ],
    [{ cid, origins: [''] }, /^origins.0/],
    [{ cid, origins: Array(1001).fill('/') }, /^origins: must have at most 1000/],
    [{ cid, origins: [`/${'x'.repeat(1024)}`] }, /^origins.0: must have at most 1024/],
  ]
  for (const [body, details] of wrong) {
    await refused(server, post(body), 400, details, 'BAD_REQUEST')
    await refused(server, { ...post(body), url: `/v1/pins/${unknownPin}` }, 400, details, 'BAD_REQUEST')
  }
  assert.deepEqual(server.pins.calls, [])
})

test('unusual but valid bodies come back unchanged', async () => {
  const server = fakeServer()
  const good = [
    { cid, name: '' },
    { cid, name: '📌'.repeat(255) },
    { cid, name: 'a\0b', meta: { '\0': '\0', 'a\nb': '\u2028', '': '' } },
    { cid: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N' },
    { cid, origins: [], meta: {} },
    { cid, origins: Array.from({ length: 20 }, (_, i) => peer.replace('4001', String(i + 1))) },
    { cid, meta: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, ''])) },
    JSON.parse(`{"cid":"${cid}","meta":{"__proto__":"x","constructor":"y","toString":"z"}}`),
  ]
  for (const body of good) {
    const response = await ask(server, post(body))
    assert.equal(response.statusCode, 202, response.body)
    assert.equal(JSON.stringify(response.json().pin), JSON.stringify(body))
  }
  const extra = await ask(server, post({ cid, priority: 7, status: 'pinned', requestid: 'mine', __v: null }))
  assert.deepEqual(extra.json().pin, { cid })
  const charset = await ask(
    server,
    post({ cid }, { ...all, 'content-type': 'application/json; charset=UTF-8' }),
  )
  assert.equal(charset.statusCode, 202)
})

test('a pin with useless or too many origins is accepted, and the answer lists those that were kept', async () => {
  const server = fakeServer()
  const many = Array.from({ length: 26 }, (_, i) => peer.replace('4001', String(i + 1)))
  const sent: [string[], string[]][] = [
    [many, many.slice(0, 20)],
    [[peer, peer], [peer]],
    [['/', '/hello', '/ip4/127.0.0.1/tcp/4001', `/ip9/1.2.3.4${peer}`, peer], [peer]],
    [Array(1000).fill('/'), []],
  ]
  for (const [origins, kept] of sent) {
    const { requestid } = (await ask(server, post({ cid }))).json()
    for (const url of ['/v1/pins', `/v1/pins/${requestid}`]) {
      const answer = await ask(server, { ...post({ cid, origins }), url })
      assert.equal(answer.statusCode, 202, answer.body)
      check('PinStatus', answer.json())
      assert.deepEqual(answer.json().pin.origins, kept)
    }
  }
})

test('only JSON is accepted, and no more than 256 KiB', async () => {
  const server = fakeServer()
  const body = JSON.stringify({ cid })
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonp',
    'multipart/form-data; boundary=x',
    'x',
  ]) {
    await refused(server, post(body, { ...all, 'content-type': type }), 415, /application\/json/)
  }
  const untyped = await ask(server, { ...post(Buffer.from(body), all) })
  assert.ok([400, 415].includes(untyped.statusCode), untyped.body)
  await refused(server, post({ cid, name: 'x'.repeat(1 << 20) }), 413, /256 KiB/, 'PAYLOAD_TOO_LARGE')
  assert.deepEqual(server.pins.calls, [])
})

test('without a body the content type is ignored, and a route that needs a body says that it is missing', async () => {
  const server = fakeServer()
  const types = ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'x', '']
  for (const type of types) {
    for (const length of [{}, { 'content-length': '0' }]) {
      const headers = { ...all, 'content-type': type, ...length }
      const { requestid } = (await ask(server, post({ cid }))).json()
      const removed = await ask(server, { method: 'DELETE', url: `/v1/pins/${requestid}`, headers })
      assert.equal(removed.statusCode, 202, `${type}: ${removed.body}`)
      for (const url of ['/v1/pins', `/v1/pins/${unknownPin}`])
        await refused(server, { method: 'POST', url, headers }, 400, /^the body: missing/, 'BAD_REQUEST')
    }
  }
  assert.equal(server.pins.kept.size, 0)
})

test('a body with a content encoding is refused with the name of the encoding', async () => {
  const server = fakeServer()
  const text = JSON.stringify({ cid })
  const packed = gzipSync(text)
  for (const [encoding, named] of [
    ['gzip', /gzip/],
    ['GZIP', /GZIP/],
    ['br', /br/],
    ['identity, zstd', /identity, zstd/],
  ] as const) {
    const request = post(packed, { ...json, 'content-encoding': encoding })
    await refused(server, request, 415, named, 'UNSUPPORTED_MEDIA_TYPE')
  }
  for (const headers of [{}, { authorization: 'Bearer nonsense' }])
    await refused(server, post(packed, { ...headers, 'content-encoding': 'gzip' }), 401, /token/)
  assert.deepEqual(server.pins.calls, [])
  for (const encoding of ['identity', 'Identity', '']) {
    const taken = await ask(server, post(text, { ...json, 'content-encoding': encoding }))
    assert.equal(taken.statusCode, 202, taken.body)
  }
})

test('a byte order mark before the JSON is ignored, and UTF-16 and UTF-32 are refused by name', async () => {
  const server = fakeServer()
  const text = JSON.stringify({ cid, name: '\ufeffa' })
  const marked = await ask(server, post(Buffer.from(`\ufeff${text}`)))
  assert.equal(marked.statusCode, 202, marked.body)
  assert.deepEqual(marked.json().pin, { cid, name: '\ufeffa' }, 'and one inside is a character')
  const little = Buffer.from(text, 'utf16le')
  const big = Buffer.from(text, 'utf16le').swap16()
  const utf32 = Buffer.concat(Array.from(text, (each) => Buffer.from([0, 0, 0, each.charCodeAt(0)])))
  const wide = [little, big, utf32, Buffer.from(`\ufeff${text}`, 'utf16le')]
  for (const body of [...wide, Buffer.from(`\ufeff${text}`, 'utf16le').swap16()])
    await refused(server, post(body), 400, /^the body: it is UTF-16 or UTF-32; send it as UTF-8/)
})

test('large bodies are processed one by one, and other work runs between them', async () => {
  const server = fakeServer()
  let turn = 0
  const refusedAt = async (payload: string) => {
    const { statusCode } = await ask(server, post(payload))
    assert.equal(statusCode, 400)
    return turn
  }
  const large = JSON.stringify({ cid, name: 'x'.repeat(20_000) })
  const asked = Promise.all(Array.from({ length: 8 }, () => refusedAt(large)))
  let counts = true
  const count = () => void (counts && turn++ >= 0 && setImmediate(count))
  count()
  const at = await asked.finally(() => (counts = false))
  assert.equal(new Set(at).size, 8)
})

test('a wrong method is refused with the methods of the path, and an unknown path with 404', async () => {
  const server = fakeServer()
  const allow: Record<string, string> = {
    '/v1/pins': 'GET, HEAD, OPTIONS, POST',
    [`/v1/pins/${unknownPin}`]: 'DELETE, GET, HEAD, OPTIONS, POST',
    '/v1/health': 'GET, HEAD, OPTIONS',
    '/v1/openapi.json': 'GET, HEAD, OPTIONS',
  }
  for (const [url, methods] of Object.entries(allow)) {
    for (const method of [
      'PUT',
      'PATCH',
      'DELETE',
      'TRACE',
      'QUERY',
      'PROPFIND',
      'SEARCH',
      'LINK',
      'PURGE',
      'M-SEARCH',
    ]) {
      if (methods.includes(method)) continue
      // The types of inject() list fewer methods than HTTP has.
      const options = Object.assign({ url }, { method }) as InjectOptions
      const response = await refused(
        server,
        { ...options, payload: '{' },
        405,
        /accepts only/,
        'METHOD_NOT_ALLOWED',
      )
      assert.equal(response.headers['allow'], methods)
    }
  }
  for (const url of [
    '/pages',
    '/pins',
    '/v1',
    '/v1/',
    '/v1/nope',
    '/v1/pins/a/b',
    '/v2/pins',
    '/V1/pins',
    '/v1/docs/../../etc/passwd',
  ]) {
    await refused(server, { url }, 404, /nothing at this path/, 'NOT_FOUND')
    await refused(server, { method: 'POST', url, payload: '{' }, 404, /nothing at this path/, 'NOT_FOUND')
  }
})

test('repeated slashes, and a slash at the end of a path, are ignored', async () => {
  const server = fakeServer()
  const at = (pathname: string, search = ''): InjectOptions => ({ url: { pathname, search } as never })
  for (const path of ['//v1/pins', '/v1//pins', '/v1/pins/', '///v1///pins//']) {
    server.pins.calls.length = 0
    const listed = await ask(server, at(path, '?limit=7&name=a//b/'))
    assert.equal(listed.statusCode, 200, path)
    assert.deepEqual(server.pins.calls[0]?.arguments[1], { limit: 7, name: 'a//b/', match: 'exact' })
    const added = await ask(server, { ...post({ cid }), ...at(path) })
    assert.equal(added.statusCode, 202, path)
    const { requestid } = added.json()
    const wrong = await refused(server, { method: 'PUT', ...at(path) } as InjectOptions, 405, /accepts only/)
    assert.equal(wrong.headers['allow'], 'GET, HEAD, OPTIONS, POST')
    assert.equal((await ask(server, at(`${path}/${requestid}`))).statusCode, 200, path)
    const removed = await ask(server, { method: 'DELETE', ...at(`${path}//${requestid}/`) })
    assert.equal(removed.statusCode, 202, path)
  }
  await refused(server, at('/v1/pins/%2F/'), 404, /no pin/)
  assert.equal(server.pins.calls.at(-1)?.arguments[1], '/', 'an encoded slash is a part of a name')
  await refused(server, at('/v1%2Fpins'), 404, /nothing at this path/)
  assert.equal((await ask(server, at('//v1/health/'))).statusCode, 200)
})

test('a path that is nearly right is answered with the right one', async () => {
  const server = fakeServer()
  const bases = ['/pins', '/v1/pins/pins', '/v1/v1/pins', '/api/v1/pins', '/V1/pins', '/v1/PINS', '/v2/pins/']
  for (const url of bases.flatMap((path) => [path, `${path}/${unknownPin}`])) {
    const base = /pins are at \/v1\/pins\. The base URL .* followed by \/v1\./
    await refused(server, { url }, 404, base, 'NOT_FOUND')
    await refused(server, { ...post('{'), url }, 404, base, 'NOT_FOUND')
    await refused(server, { method: 'DELETE', url, headers: {} }, 404, base, 'NOT_FOUND')
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' }
    const asked = await ask(server, { method: 'OPTIONS', url, headers })
    assert.equal(asked.statusCode, 204, 'a page may read it')
    assert.match(String(asked.headers['access-control-allow-methods']), /\*|GET/)
  }
  assert.deepEqual(server.pins.calls, [])
  await refused(server, { url: '/tokens/tok_x' }, 404, /use \/v1\/tokens\/:id$/)
  await refused(server, { url: '/health' }, 404, /use \/v1\/health$/)
  await refused(server, { url: '/V1/Health' }, 404, /use \/v1\/health$/)
  await refused(server, { url: '/nope' }, 404, /described at \/v1\/docs$/)
})

test('a browser may send a CORS preflight without a token', async () => {
  const server = fakeServer()
  for (const url of ['/v1/pins', `/v1/pins/${unknownPin}`]) {
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    }
    const response = await ask(server, { method: 'OPTIONS', url, headers })
    assert.equal(response.statusCode, 204)
    assert.equal(response.body, '')
    assert.match(String(response.headers['access-control-allow-methods']), /GET.*POST/)
    assert.match(String(response.headers['access-control-allow-headers']), /authorization.*content-type/)
  }
  await refused(server, { method: 'OPTIONS', url: '/v1/nope' }, 404, /nothing/)
  const unauthorized = await ask(server, { url: '/v1/pins', headers: { origin: 'https://app.example' } })
  assert.equal(unauthorized.statusCode, 401, 'and can read why it was refused')
})

test('each refusal of the core has its status and reason, and details of internal errors go only to the log', async () => {
  const cases: [ErrorCode, number, string][] = [
    ['invalid', 400, 'BAD_REQUEST'],
    ['unauthenticated', 401, 'UNAUTHORIZED'],
    ['forbidden', 403, 'FORBIDDEN'],
    ['not_found', 404, 'NOT_FOUND'],
    ['conflict', 409, 'CONFLICT'],
    ['over_quota', 409, 'INSUFFICIENT_FUNDS'],
    ['too_many', 429, 'TOO_MANY_REQUESTS'],
    ['unavailable', 503, 'SERVICE_UNAVAILABLE'],
  ]
  for (const [code, status, reason] of cases) {
    const server = fakeServer()
    server.pins.create = () =>
      Promise.reject(
        new AnchorageError(code, 'the reason', { retryAfterSeconds: 6.2, cause: new Error('secret') }),
      )
    const response = await refused(server, post({ cid }), status, /^the reason$/, reason)
    assert.equal(response.headers['retry-after'], status === 429 || status === 503 ? '7' : undefined)
    assert.equal(server.log.lines.filter(({ level }) => level !== 'debug').length, status === 503 ? 1 : 0)
  }
  for (const error of [
    new AnchorageError('internal', 'secret'),
    new TypeError('secret'),
    Object.assign(new Error('secret'), { statusCode: 502 }),
  ]) {
    const server = fakeServer()
    server.pins.create = () => Promise.reject(error)
    const response = await refused(
      server,
      post({ cid }),
      500,
      /the id of this request: /,
      'INTERNAL_SERVER_ERROR',
    )
    const id = String(response.headers['x-request-id'])
    assert.ok(response.json().error.details.includes(id))
    assert.doesNotMatch(response.body, /secret/)
    const [line] = server.log.lines.filter(({ level }) => level === 'error')
    assert.ok(line)
    assert.deepEqual(
      { ...line.fields },
      { requestId: id, method: 'POST', route: '/v1/pins', status: 500, err: error },
    )
  }
  const down = fakeServer({
    verify: () => Promise.reject(new AnchorageError('unavailable', 'tokens cannot be checked')),
  })
  await refused(down, { url: '/v1/pins' }, 503, /tokens/)
})

test('requests are logged at debug only, and no line contains the token', async () => {
  const server = fakeServer()
  await ask(server, post({ cid }))
  await ask(server, { url: '/v1/pins?limit=0' })
  await ask(server, { url: '/v1/pins', headers: { authorization: 'Bearer s3cr3t' } })
  assert.equal(server.log.lines.length, 3)
  assert.ok(server.log.lines.every(({ level }) => level === 'debug'))
  assert.doesNotMatch(JSON.stringify(server.log.lines), /s3cr3t|Bearer/)
})

test('the access log has a line at info for each answer, with route, status and actor, and without a secret', async () => {
  const server = fakeServer({ accessLog: true })
  const headers = { ...all, 'x-request-id': 'proxy-7' }
  await ask(server, { url: '/v1/pins?name=s3cr3t', headers })
  await ask(server, { url: '/v1/pins', headers: { authorization: 'Bearer s3cr3t' } })
  await ask(server, { url: '/s3cr3t' })
  const lines = server.log.lines.filter(({ level }) => level === 'info')
  const fields: Record<string, unknown>[] = lines.map((line) => ({ ...line.fields }))
  assert.deepEqual(
    fields.map(({ method, route, status }) => [method, route, status]),
    [
      ['GET', '/v1/pins', 200],
      ['GET', '/v1/pins', 401],
      ['any', 'none', 404],
    ],
  )
  assert.equal(fields[0]?.['requestId'], 'proxy-7')
  assert.match(String(fields[0]?.['actor']), /^tok_/)
  assert.match(String(fields[0]?.['orgId']), /^org_/)
  assert.equal(fields[1]?.['actor'], undefined)
  assert.ok(fields.every(({ ms }) => typeof ms === 'number' && ms >= 0))
  assert.doesNotMatch(JSON.stringify(lines), /s3cr3t|Bearer/)
})

test('a request has an id of its own, or the one that its proxy sent', async () => {
  const server = fakeServer()
  const ids = new Set<unknown>()
  for (let i = 0; i < 100; i += 1) ids.add((await ask(server, { url: '/v1/health' })).headers['x-request-id'])
  assert.equal(ids.size, 100)
  const given = await ask(server, { url: '/v1/health', headers: { 'x-request-id': 'proxy-7' } })
  assert.equal(given.headers['x-request-id'], 'proxy-7')
  const forged = await ask(server, { url: '/v1/health', headers: { 'x-request-id': 'a" b{}' } })
  assert.notEqual(forged.headers['x-request-id'], 'a" b{}')
})

test('every answer has an HSTS header if that is configured', async () => {
  const { app } = fakeServer({ hstsMs: 31_536_000_000 })
  for (const url of ['/', '/v1/docs/', '/v1/health', '/v1/pins', '/nothing', '/v1/%ff', '/v1/auth/login']) {
    for (const cookie of ['', '__Host-anchorage=x']) {
      const { headers } = await app.inject({ url, headers: { cookie } })
      assert.equal(headers['strict-transport-security'], 'max-age=31536000', url)
      assert.equal(headers['x-content-type-options'], 'nosniff', url)
    }
  }
})

test('health and readiness report the state of the node', async (t) => {
  const nats: Degradation = { what: 'nats', reason: 'no stream leader' }
  const postgres: Degradation = { what: 'postgres', reason: 'connection refused' }
  const schema: Degradation = { what: 'schema', reason: 'migration 0003 is pending' }
  const cases = [
    { name: 'all is well', state: {}, ready: 200, status: 'ok' },
    { name: 'NATS away', state: { reasons: [nats] }, ready: 200, status: 'degraded' },
    { name: 'Postgres away', state: { reasons: [nats, postgres] }, ready: 503, status: 'unavailable' },
    { name: 'unmigrated', state: { reasons: [schema] }, ready: 503, status: 'unavailable' },
    { name: 'draining', state: { away: 'draining' as const }, ready: 503, status: 'unavailable' },
    {
      name: 'stopping',
      state: { away: 'stopping' as const, reasons: [nats] },
      ready: 503,
      status: 'unavailable',
    },
  ]
  for (const { name, state, ready, status } of cases) {
    await t.test(name, async () => {
      const server = fakeServer({ health: () => ({ ...fine, ...state }) })
      const readiness = await ask(server, { url: '/v1/ready', headers: {} })
      assert.equal(readiness.statusCode, ready)
      assert.equal(readiness.json().status, status)
      const reasons = readiness.json().reasons.map(({ reason }: Degradation) => reason)
      for (const { reason } of state.reasons ?? []) assert.ok(reasons.includes(reason))
      if (state.away !== undefined) assert.match(reasons[0], new RegExp(state.away))
      if (ready === 503) assert.equal(readiness.json().error.details, reasons.join('; '))

      const health = await ask(server, { url: '/v1/health', headers: {} })
      assert.equal(health.statusCode, 200)
      const { version, node } = health.json()
      assert.deepEqual([health.json().status, version, node], [status, fine.version, fine.node])
    })
  }
})

test('the docs page loads everything from this server', async () => {
  const { app } = fakeServer()
  for (const url of ['/v1/docs', '/v1/docs/']) {
    const page = await app.inject(url)
    assert.equal(page.statusCode, 200)
    assert.match(String(page.headers['content-security-policy']), /default-src 'self'/)
    assert.equal(page.headers['referrer-policy'], 'same-origin')
    const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? '')
    assert.ok(assets.length >= 4)
    for (const address of assets) {
      const asset = await app.inject(new URL(address, `http://x${url}`).pathname)
      assert.equal(asset.statusCode, 200, `${url}: ${address}`)
    }
  }
  const setup = await app.inject('/v1/docs/static/swagger-initializer.js')
  assert.match(setup.body, /\/v1\/openapi\.json/)
  assert.match(setup.body, /"validatorUrl":null/)
})
