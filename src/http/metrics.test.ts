import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { after, suite, test } from 'node:test'
import { text } from 'node:stream/consumers'
import { fakeServer, memoryLog } from '../../testing/fakes/http-server.ts'
import { metricsServer } from './metrics-server.ts'
import type { Answer, Scrape } from './metrics.ts'

const body = 'anchorage_ready 1\n'
const read: Scrape['read'] = async () => ({ type: 'text/plain; version=0.0.4; charset=utf-8', text: body })
const scrape = (...allow: string[]): Scrape => ({ allow, read })

/** Reads the metrics from a socket at this address. */
async function asked(allow: string[], remoteAddress: string) {
  await using server = metricsServer(scrape(...allow), memoryLog())
  return await server.inject({ url: '/metrics', remoteAddress })
}

test('only sockets within metrics.allow read the metrics: IPv4, IPv6, and IPv4 as a dual-stack socket spells it', async () => {
  const cases: [address: string, allow: string, status: number][] = [
    ['10.1.2.3', '10.0.0.0/8', 200],
    ['::ffff:10.1.2.3', '10.0.0.0/8', 200],
    ['::ffff:a01:203', '10.0.0.0/8', 200],
    ['11.1.2.3', '10.0.0.0/8', 403],
    ['::ffff:11.1.2.3', '10.0.0.0/8', 403],
    ['2001:db8:1::7', '2001:db8:1::/48', 200],
    ['2001:db8:2::7', '2001:db8:1::/48', 403],
    // an IPv6 address that begins with the same bits as an IPv4 network
    ['a00::1', '10.0.0.0/8', 403],
    ['10.1.2.3', '2001:db8::/32', 403],
    ['fe80::1%eth0', 'fe80::/10', 200],
    ['', '10.0.0.0/8', 403],
  ]
  for (const [address, allow, status] of cases) {
    const response = await asked([allow], address)
    assert.equal(response.statusCode, status, `${address} within ${allow}`)
    if (status === 200) assert.equal(response.body, body)
    else {
      assert.equal(response.json().error.reason, 'FORBIDDEN')
      assert.match(response.json().error.details, /metrics\.allow/)
    }
  }
  assert.equal((await asked([], '127.0.0.1')).statusCode, 403, 'no address is allowed')
})

test('a request that a proxy passed on is refused from any address, even if the proxy is trusted or the address is allowed', async () => {
  for (const trustProxy of [[], ['192.0.2.0/24'], ['10.0.0.0/8', '127.0.0.0/8', '::1/128']]) {
    const { app } = fakeServer({
      scrape: scrape('10.0.0.0/8', '127.0.0.0/8', '::1/128', '192.0.2.200/32'),
      trustProxy,
    })
    const status = async (remoteAddress: string, headers: Record<string, string>) =>
      (await app.inject({ url: '/metrics', remoteAddress, headers })).statusCode
    const passedOn = [
      { 'x-forwarded-for': '10.1.2.3' },
      { 'x-forwarded-for': '127.0.0.1, 203.0.113.9' },
      { 'x-forwarded-for': '::1' },
      { 'x-forwarded-for': '' },
      { 'X-Forwarded-For': '10.1.2.3' },
      { forwarded: 'for=10.1.2.3' },
      { forwarded: 'for="[::1]"' },
      { via: '1.1 proxy' },
      { 'x-real-ip': '10.1.2.3' },
      { 'x-forwarded-proto': 'https' },
    ]
    const allowed = ['10.1.2.3', '127.0.0.1', '::1', '::ffff:127.0.0.1', '::ffff:10.1.2.3', '192.0.2.200']
    for (const address of allowed) {
      assert.equal(await status(address, {}), 200, `${address}, trusted: ${trustProxy}`)
      for (const headers of passedOn)
        assert.equal(
          await status(address, headers),
          403,
          `${address} ${JSON.stringify(headers)}, ${trustProxy}`,
        )
    }
    for (const address of ['192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1'])
      for (const headers of [{}, ...passedOn])
        assert.equal(
          await status(address, headers),
          403,
          `${address} ${JSON.stringify(headers)}, ${trustProxy}`,
        )
    await app.close()
  }
})

test('a page of another origin cannot read metrics, and no cache keeps them', async () => {
  const { app } = fakeServer({ scrape: scrape('127.0.0.0/8') })
  const { headers } = await app.inject({ url: '/metrics', headers: { origin: 'https://evil.example' } })
  await app.close()
  assert.equal(headers['access-control-allow-origin'], undefined)
  assert.equal(headers['cache-control'], 'no-store')
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/)
})

test('metrics have no rate limit', async () => {
  const rateLimits = {
    signInPerAddress: 1,
    anonymousPerAddress: 1,
    anonymous: 1,
    perCaller: 1,
    perOrg: 1,
    atOncePerOrg: 1,
  }
  const { app } = fakeServer({ scrape: scrape('10.0.0.0/8'), rateLimits })
  for (let i = 0; i < 5; i++)
    for (const [remoteAddress, status] of [
      ['10.1.2.3', 200],
      ['192.0.2.1', 403],
    ] as const)
      assert.equal((await app.inject({ url: '/metrics', remoteAddress })).statusCode, status)
  await app.close()
})

suite('over real sockets', () => {
  const closing: (() => Promise<void>)[] = []
  after(() => Promise.all(closing.map((close) => close())))

  for (const [name, host, from, allow] of [
    ['IPv4', '127.0.0.1', '127.0.0.1', '127.0.0.0/8'],
    ['IPv6', '::1', '::1', '::1/128'],
    ['IPv4 at a dual-stack listener', '::', '127.0.0.1', '127.0.0.0/8'],
  ] as const)
    test(name, async () => {
      const asked = async (networks: string, header = '') => {
        const server = metricsServer(scrape(networks), memoryLog())
        closing.push(() => server.close())
        const { port } = new URL(await server.listen({ host, port: 0 }))
        const socket = createConnection({ host: from, port: Number(port) })
        await once(socket, 'connect')
        socket.write(`GET /metrics HTTP/1.1\r\nhost: a\r\n${header}connection: close\r\n\r\n`)
        return Number((await text(socket)).split(' ')[1])
      }
      assert.equal(await asked(allow), 200)
      assert.equal(await asked('192.0.2.0/24'), 403)
      assert.equal(await asked(allow, 'X-Forwarded-For: 127.0.0.1\r\n'), 403)
      assert.equal(await asked(allow, 'Forwarded: for=127.0.0.1\r\n'), 403)
    })
})

test('a separate listener serves only metrics, and refuses as the API does', async () => {
  const server = metricsServer(scrape('127.0.0.0/8'), memoryLog())
  const refused = await server.inject({ url: '/metrics', remoteAddress: '10.1.1.1' })
  assert.equal(refused.statusCode, 403)
  assert.equal(refused.json().error.reason, 'FORBIDDEN')
  const other = await server.inject({ url: '/v1/pins' })
  assert.equal(other.statusCode, 404)
  assert.equal(other.json().error.reason, 'NOT_FOUND')
  await server.close()
})

test('every answer is reported by its route, and never by a path or a method that a client made up', async () => {
  const told: Answer[] = []
  const { app } = fakeServer({ onAnswer: (answer) => told.push(answer) })
  for (const url of ['/v1/health', '/v1/pins/pin_x', '/made/up', '/v1/pins?name=secret'] as const)
    await app.inject({ url })
  await app.inject({ method: 'DELETE', url: '/made/up/too' })
  await app.close()
  assert.deepEqual(
    told.map(({ method, route, status }) => `${method} ${route} ${status}`),
    ['GET /v1/health 200', 'GET /v1/pins/:requestid 401', 'any none 404', 'GET /v1/pins 401', 'any none 404'],
  )
  assert.ok(told.every(({ ms }) => ms >= 0))
})

test('every refusal by a limit is reported with the name of the limit', async () => {
  const told: string[] = []
  const { app } = fakeServer({ onLimit: (limit) => told.push(limit) })
  const headers = { authorization: 'Bearer all', 'content-type': 'application/json' }
  await app.inject({ method: 'POST', url: '/v1/pins', headers, payload: `"${'x'.repeat(300_000)}"` })
  await app.inject({ url: '/v1/pins' })
  await app.close()
  assert.deepEqual(told, ['bytes of a body'], 'a missing token is no limit')
})
