import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../testing/settle.ts'
import { mintId } from '../core/ids.ts'
import type { Pin } from '../core/pin.ts'
import { cid, fakeServer, peer } from '../../testing/fakes/http-server.ts'
import type { FakeServer } from '../../testing/fakes/http-server.ts'
import { defaultLimits, type HttpLimits } from './http-limits.ts'
import { publishedCheck } from '../../testing/published-spec.ts'

const check = publishedCheck()
const auth = 'Host: x\r\nAuthorization: Bearer all\r\n'
const body = JSON.stringify({ cid })
const post = `POST /v1/pins HTTP/1.1\r\n${auth}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`

interface Listening extends FakeServer {
  port: number
  dial(): Socket
}

async function listening(t: TestContext, limits: Partial<HttpLimits> = {}): Promise<Listening> {
  const server = fakeServer({ limits, hstsMs: 86_400_000 })
  await server.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = server.app.server.address() as AddressInfo
  const sockets: Socket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    await server.app.close()
  })
  const dial = () => {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    return socket.on('error', () => undefined)
  }
  return { ...server, port, dial }
}

interface Answer {
  status: number
  headers: Map<string, string>
  body: string
}

/** All answers that come back over `socket` until it is closed. */
async function answers(socket: Socket): Promise<Answer[]> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  let text = Buffer.concat(chunks).toString('latin1')
  const found: Answer[] = []
  while (text !== '') {
    const [head = '', ...rest] = text.split('\r\n\r\n')
    const [line = '', ...fields] = head.split('\r\n')
    assert.match(line, /^HTTP\/1\.1 \d{3} /, `not an answer: ${text.slice(0, 200)}`)
    const headers = new Map(
      fields.map((field): [string, string] => [
        field.slice(0, field.indexOf(':')).toLowerCase(),
        field.slice(field.indexOf(':') + 1).trim(),
      ]),
    )
    const after = rest.join('\r\n\r\n')
    const length = Number(headers.get('content-length') ?? 0)
    const isInterim = line.includes(' 100 ')
    found.push({ status: Number(line.slice(9, 12)), headers, body: isInterim ? '' : after.slice(0, length) })
    text = isInterim ? after : after.slice(length)
  }
  return found
}

/** Checks that a page of any origin may read the answer, and that it has the headers that every answer has. */
function readableElsewhere({ headers }: Answer, what?: string): void {
  assert.equal(headers.get('x-content-type-options'), 'nosniff', what)
  assert.equal(headers.get('strict-transport-security'), 'max-age=86400', what)
  assert.equal(headers.get('access-control-allow-origin'), '*', what)
  assert.match(headers.get('access-control-expose-headers') ?? '', /x-request-id.*ratelimit-reset/, what)
}

/** Sends these bytes, and expects one whole refusal of this status in the shape of the spec. */
async function refused(
  server: Listening,
  bytes: string | Buffer,
  status: number,
  details: RegExp,
): Promise<Answer> {
  const socket = server.dial()
  socket.write(bytes)
  const all = await answers(socket)
  const what = String(bytes).slice(0, 80)
  assert.deepEqual(
    all.map((each) => each.status),
    [status],
    what,
  )
  const [answer] = all
  assert.ok(answer)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/, what)
  readableElsewhere(answer, what)
  assert.equal(answer.body.length, Number(answer.headers.get('content-length')), what)
  const failure = JSON.parse(answer.body)
  check('Failure', failure)
  assert.match(failure.error.details, details, what)
  return answer
}

test('malformed HTTP is answered in JSON', async (t) => {
  const server = await listening(t)
  const broken: [string | Buffer, number, RegExp][] = [
    ['nonsense\r\n\r\n', 400, /well-formed/],
    ['GET /v1/pins\r\n\r\n', 401, /access token is missing/],
    ['GET /v1/pins HTTP/9.9\r\n\r\n', 400, /well-formed/],
    ['FOO /v1/pins HTTP/1.1\r\nHost: x\r\n\r\n', 400, /well-formed/],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, /well-formed/],
    [Buffer.from('16030100f5010000f10303', 'hex'), 400, /well-formed/],
    ['GET /v1/pins HTTP/1.1\r\nbad header\r\n\r\n', 400, /well-formed/],
    ['GET /v1/pins HTTP/1.1\r\nHost: x\r\nx: a\0b\r\n\r\n', 400, /well-formed/],
    [`POST /v1/pins HTTP/1.1\r\n${auth}Content-Length: x\r\n\r\n`, 400, /well-formed/],
    [
      `POST /v1/pins HTTP/1.1\r\n${auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      /well-formed/,
    ],
    [
      `POST /v1/pins HTTP/1.1\r\n${auth}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      400,
      /well-formed/,
    ],
    ['GET /v1/pins HTTP/1.1\r\nConnection: close\r\n\r\n', 400, /host/],
    ['CONNECT example:443 HTTP/1.1\r\nHost: example:443\r\n\r\n', 405, /not a proxy/],
    [`POST /v1/pins HTTP/1.1\r\n${auth}Expect: a-miracle\r\nContent-Length: 0\r\n\r\n`, 417, /100-continue/],
  ]
  for (const [bytes, status, details] of broken) await refused(server, bytes, status, details)
  assert.deepEqual(server.pins.calls, [])
})

test('a method without a route is refused with the methods of the path', async (t) => {
  const server = await listening(t)
  for (const method of ['TRACE', 'QUERY', 'PROPFIND', 'PUT', 'PATCH']) {
    const answer = await refused(
      server,
      `${method} /v1/pins HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      405,
      /accepts only/,
    )
    assert.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS, POST')
  }
  for (const address of ['http://x/v1/pins', 'HTTPS://x:443//v1//pins/?a=b'])
    await refused(
      server,
      `PUT ${address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      405,
      /accepts only/,
    )
  await refused(server, 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 404, /nothing/)
})

test('a request line of 45 KB is answered with what is wrong in it, and one beyond the bound with 431', async (t) => {
  const server = await listening(t)
  const long = 'x'.repeat(45_000)
  const get = (path: string) => `GET ${path} HTTP/1.1\r\n${auth}Connection: close\r\n\r\n`
  await refused(server, get(`/v1/pins?name=${long}`), 400, /^name: must have at most/)
  await refused(server, get(`/v1/pins?cid=${long}`), 400, /^cid/)
  await refused(server, get(`/v1/pins?meta=${long}`), 400, /^meta/)
  await refused(server, get(`/v1/pins/${long}`), 404, /no pin/)
  await refused(server, get(`/v1/${long}`), 404, /nothing/)
  const within = defaultLimits.maxHeadBytes - get('/v1/pins?name=').length
  await refused(server, get(`/v1/pins?name=${'x'.repeat(within)}`), 400, /^name: must have at most/)
  await refused(server, get(`/v1/pins?name=${'x'.repeat(within + 200)}`), 431, /too long/)
  await refused(server, get(`/v1/pins?name=${'x'.repeat(200_000)}`), 431, /too long/)
  await refused(server, get(`/v1/pins?name=${'x'.repeat(5_000_000)}`), 431, /too long/)
  await refused(server, `GET /v1/pins HTTP/1.1\r\n${auth}x: ${'x'.repeat(200_000)}\r\n\r\n`, 431, /too long/)
})

test('a query that is not percent-encoded is refused with that reason', async (t) => {
  const server = await listening(t)
  for (const encoding of ['utf8', 'latin1'] as const) {
    const bytes = Buffer.from(`GET /v1/pins?name=caf\u00e9 HTTP/1.1\r\n${auth}\r\n`, encoding)
    await refused(server, bytes, 400, /percent-encode the path/)
  }
})

test('a body that is too large is refused before it is read to its end, with or without a content length', async (t) => {
  const server = await listening(t)
  const head = `POST /v1/pins HTTP/1.1\r\n${auth}Content-Type: application/json\r\n`
  await refused(server, `${head}Content-Length: 2000000\r\n\r\n{`, 413, /256 KiB/)
  const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`
  await refused(
    server,
    `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}0\r\n\r\n`,
    413,
    /256 KiB/,
  )
  assert.deepEqual(server.pins.calls, [])
})

/** Sends `head` and `mebibytes` of blanks, and only then reads the answers; rejects if the socket was reset. */
async function sendAllThenRead(server: Listening, head: string, mebibytes: number): Promise<Answer[]> {
  const socket = server.dial()
  socket.write(head)
  const blanks = Buffer.alloc(1 << 20, ' ')
  for (let sent = 0; sent < mebibytes; sent++) {
    await new Promise<void>((resolve, reject) =>
      socket.write(blanks, (error) => (error ? reject(error) : resolve())),
    )
    // As over a network: the server acts on what it has before the rest arrives.
    await sleep(20)
  }
  return answers(socket)
}

test('a client that sends its whole body before it reads learns why it was refused', async (t) => {
  const server = await listening(t)
  const json = 'Content-Type: application/json\r\n'
  const size = `Content-Length: ${4 << 20}\r\nConnection: close\r\n\r\n`
  for (const [fields, status] of [
    [`${auth}${json}`, 413],
    [`${auth}Content-Type: text/plain\r\n`, 415],
    [`Host: x\r\n${json}`, 401],
  ] as const) {
    const all = await sendAllThenRead(server, `POST /v1/pins HTTP/1.1\r\n${fields}${size}`, 4)
    assert.deepEqual(
      all.map((each) => each.status),
      [status],
    )
  }
})

test('a connection whose refused body was read to its end serves the next request', async (t) => {
  const server = await listening(t)
  const socket = server.dial()
  const blanks = ' '.repeat(2 << 20)
  const plain = `POST /v1/pins HTTP/1.1\r\n${auth}Content-Type: text/plain\r\nContent-Length: ${blanks.length}\r\n\r\n`
  socket.write(plain)
  await once(socket, 'readable')
  socket.write(blanks + post.replace('Host: x', 'Host: x\r\nConnection: close'))
  assert.deepEqual(
    (await answers(socket)).map(({ status }) => status),
    [415, 202],
  )
})

test('a client that continues to send after a refusal is cut off after too many bytes or too long', async (t) => {
  const head = `POST /v1/pins HTTP/1.1\r\n${auth}Content-Type: text/plain\r\nContent-Length: ${64 << 20}\r\n\r\n`
  const few = await listening(t, { maxUnreadBytes: 1 << 20, unreadGraceMs: 60_000 })
  await assert.rejects(sendAllThenRead(few, head, 64), { code: /EPIPE|ECONNRESET|ERR_STREAM_DESTROYED/ })
  const brief = await listening(t, { unreadGraceMs: 100 })
  const socket = brief.dial()
  socket.write(head)
  assert.deepEqual(
    (await answers(socket)).map(({ status }) => status),
    [415],
  )
})

test('a client that expects 100-continue gets it, then the answer', async (t) => {
  const server = await listening(t)
  const socket = server.dial()
  socket.write(
    `POST /v1/pins HTTP/1.1\r\n${auth}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
  )
  await once(socket, 'readable')
  socket.write(body)
  assert.deepEqual(
    (await answers(socket)).map(({ status }) => status),
    [100, 202],
  )
})

test('a client that sends byte by byte, or stops sending, is answered with 408', async (t) => {
  const server = await listening(t, { headTimeoutMs: 300, requestTimeoutMs: 600, timeoutCheckMs: 50 })
  const slow = server.dial()
  const drip = setInterval(() => slow.write('x'), 20)
  t.after(() => clearInterval(drip))
  slow.write('GET /v1/pins HTTP/1.1\r\nx: ')
  const [late] = await answers(slow)
  assert.equal(late?.status, 408)
  readableElsewhere(late)
  const head = `POST /v1/pins HTTP/1.1\r\n${auth}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  await refused(server, `${head}${body.slice(0, 10)}`, 408, /in time/)
  assert.deepEqual(server.pins.calls, [])
})

const onePin: Pin = {
  id: mintId('pin'),
  status: 'pinned',
  created: new Date(),
  cid,
  delegates: [peer],
  info: {},
}

test('a client that does not read its answer is cut off before it has the whole answer', async (t) => {
  const server = await listening(t, { answerTimeoutMs: 200 })
  server.pins.list = async () => ({
    count: 1000,
    results: Array.from({ length: 1000 }, () => ({ ...onePin, meta: { blob: 'x'.repeat(64 << 10) } })),
  })
  const unread = server.dial()
  unread.pause()
  unread.write(`GET /v1/pins HTTP/1.1\r\n${auth}\r\n`)
  const [accepted]: Socket[] = await once(server.app.server, 'connection')
  assert.ok(accepted)
  await once(accepted, 'close')
  assert.ok(accepted.bytesWritten < 64 << 20)
})

test('connections beyond the bound are closed unread and logged; earlier ones are served, and each that ends makes room', async (t) => {
  const server = await listening(t, { maxConnections: 2 })
  const get = 'GET /v1/health HTTP/1.1\r\nHost: x\r\n'
  const open = async () => {
    const socket = server.dial()
    socket.write(`${get}\r\n`)
    const [served] = await Promise.race([
      once(socket, 'data').then(() => [true]),
      once(socket, 'close').then(() => [false]),
    ])
    return { socket, served }
  }
  const [first, second, third] = [await open(), await open(), await open()]
  assert.deepEqual([first.served, second.served, third.served], [true, true, false])
  const ends = answers(first.socket)
  first.socket.write(`${get}Connection: close\r\n\r\n`)
  assert.deepEqual(
    (await ends).map(({ status }) => status),
    [200],
  )
  await until('its place is free', async () => (await open()).served === true)
  await server.app.close()
  const [line, ...more] = server.log.lines.filter(({ message }) => message === 'a limit was met')
  assert.deepEqual(more, [])
  assert.partialDeepStrictEqual(line, {
    level: 'info',
    fields: { bound: 'connections at a time', address: '127.0.0.1' },
  })
})

test('malformed bytes after a valid request do not corrupt its answer', async (t) => {
  const server = await listening(t)
  const socket = server.dial()
  socket.write(`GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\nrubbish\r\n\r\n`)
  const statuses = (await answers(socket)).map(({ status }) => status)
  assert.ok(
    statuses.length <= 2 && statuses.every((status) => status === 200 || status === 400),
    String(statuses),
  )
})

test('closing answers requests under way, refuses later ones with 503, and ends idle connections', async (t) => {
  const server = await listening(t)
  const reached = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const { pins } = fakeServer()
  server.pins.create = async (...given) => {
    reached.resolve()
    await release.promise
    return pins.create(...given)
  }
  const idle = server.dial()
  await once(idle, 'connect')
  const busy = server.dial()
  busy.write(post)
  await reached.promise
  const idleEnds = answers(idle)
  const closed = server.app.close()
  const late = answers(busy)
  busy.write(post)
  assert.deepEqual(await idleEnds, [])
  setTimeout(() => release.resolve(), 50)
  const [first, second] = await late
  assert.equal(first?.status, 202)
  if (second !== undefined) {
    assert.equal(second.status, 503)
    check('Failure', JSON.parse(second.body))
  }
  await closed
  assert.equal(pins.kept.size, 1)
})

test('closing answers a request on a kept connection with 503, and does not cut it off', async (t) => {
  const server = await listening(t)
  const kept = server.dial()
  kept.write('GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(kept, 'readable')
  const closed = server.app.close()
  await new Promise((resolve) => setTimeout(resolve, 200))
  const said = answers(kept)
  kept.write(post)
  const [served, told] = await said
  assert.deepEqual([served?.status, told?.status], [200, 503])
  assert.ok(told)
  readableElsewhere(told)
  await closed
})

test('closing ends even if a client keeps its connection or never finishes its request', async (t) => {
  const server = await listening(t, { closeGraceMs: 200 })
  const kept = server.dial()
  kept.write('GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(kept, 'readable')
  const stuck = server.dial()
  stuck.write('GET /v1/health HTTP/1.1\r\nHo')
  const { pins } = fakeServer()
  const reached = Promise.withResolvers<void>()
  server.pins.create = async (...given) => {
    reached.resolve()
    await new Promise((resolve) => setTimeout(resolve, 50))
    return pins.create(...given)
  }
  const busy = server.dial()
  busy.write(post)
  await reached.promise
  await server.app.close()
  assert.deepEqual(
    (await answers(busy)).map(({ status }) => status),
    [202],
  )
})
