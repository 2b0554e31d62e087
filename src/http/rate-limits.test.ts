import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import type { InjectOptions } from 'fastify'
import { until } from '../../testing/settle.ts'
import { mintId, type OrgId } from '../core/ids.ts'
import { fakeServer, verifyFake, type FakeServer } from '../../testing/fakes/http-server.ts'
import type { RateLimits } from './rate-limits.ts'

const rateLimits: RateLimits = {
  signInPerAddress: 10,
  anonymousPerAddress: 60,
  anonymous: 120,
  perCaller: 1000,
  perOrg: 1000,
  atOncePerOrg: 64,
}
const proxy = '10.1.2.3'
const client = '198.51.100.7'

function limited(change: Partial<RateLimits> = {}): FakeServer {
  return fakeServer({ rateLimits: { ...rateLimits, ...change }, trustProxy: ['10.0.0.0/8'] })
}

/** Sends `times` requests, and returns how often each status came. */
async function asked(
  { app }: FakeServer,
  times: number,
  options: InjectOptions | ((n: number) => InjectOptions),
): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {}
  for (let n = 0; n < times; n++) {
    const { statusCode } = await app.inject(typeof options === 'function' ? options(n) : options)
    statuses[statusCode] = (statuses[statusCode] ?? 0) + 1
  }
  return statuses
}

const signIn = (more: InjectOptions = {}): InjectOptions => ({
  url: '/v1/auth/login',
  remoteAddress: client,
  ...more,
})
const through = (address: string, more: Record<string, string> = {}): InjectOptions =>
  signIn({ remoteAddress: proxy, headers: { 'x-forwarded-for': address, ...more } })

suite('signing in', () => {
  test('an address may sign in ten times a minute, whatever its headers claim', async () => {
    const invented: ((n: number) => Record<string, string>)[] = [
      () => ({}),
      (n) => ({ 'x-forwarded-for': `203.0.113.${n}` }),
      (n) => ({ 'x-forwarded-for': `${proxy}, 203.0.113.${n}` }),
      (n) => ({ 'x-forwarded-for': `203.0.113.${n}, ${proxy}` }),
      (n) => ({ forwarded: `for=203.0.113.${n}` }),
      (n) => ({ forwarded: `for="[2001:db8::${n}]"`, 'x-real-ip': `203.0.113.${n}` }),
      (n) => ({ 'cf-connecting-ip': `203.0.113.${n}`, 'true-client-ip': `203.0.113.${n}` }),
      (n) => ({ 'x-forwarded-host': `h${n}.example`, host: `h${n}.example` }),
      (n) => ({ authorization: `Bearer ${n}` }),
      () => ({ authorization: 'Bearer all' }),
      (n) => ({ cookie: `__Host-anchorage=${n}` }),
      (n) => ({ 'user-agent': `browser ${n}`, 'x-request-id': `id-${n}` }),
    ]
    const server = limited({ anonymous: 100_000 })
    for (const [index, headers] of invented.entries()) {
      const remoteAddress = `198.51.100.${index}`
      const statuses = await asked(server, 15, (n) => signIn({ remoteAddress, headers: headers(n) }))
      assert.equal(statuses[429], 5, JSON.stringify(headers(1)))
    }
  })

  test('the login and callback paths count together, in every spelling', async () => {
    const server = limited()
    const urls = [
      '/v1/auth/login',
      '/v1/auth/login?return_to=/x',
      '/v1/auth/callback?code=1',
      '/v1//auth/login/',
    ]
    const methods = ['GET', 'HEAD'] as const
    const statuses = await asked(server, 20, (n) =>
      signIn({ url: urls[n % urls.length] ?? '', method: methods[n % methods.length] ?? 'GET' }),
    )
    assert.equal(statuses[429], 10)
  })

  test('behind a proxy each client has its own ten, and headers that a client invents change nothing', async () => {
    const server = limited()
    assert.equal((await asked(server, 15, () => through(client)))[429], 5)
    assert.equal((await asked(server, 10, (n) => through(`203.0.113.${n}, ${client}`)))[429], 10)
    assert.equal((await asked(server, 10, (n) => through(`${client}:${5000 + n}`)))[429], 10)
    assert.equal((await asked(server, 10, () => through(`::ffff:${client}`)))[429], 10)
    assert.equal(
      (await asked(server, 10, (n) => through(client, { forwarded: `for=203.0.113.${n}` })))[429],
      10,
    )
    assert.equal((await asked(server, 10, () => signIn()))[429], 10, 'the same client without the proxy')
    assert.equal((await asked(server, 10, () => through('198.51.100.8')))[429], undefined)
  })

  test('addresses of one IPv6 /64 share a limit, and so do those of one /48', async () => {
    const server = limited()
    const inNetwork = (n: number): InjectOptions => signIn({ remoteAddress: `2001:db8:1:2::${n}` })
    assert.equal((await asked(server, 15, inNetwork))[429], 5)
    const ofSite = (n: number): InjectOptions => through(`2001:db8:1:${n + 16}::1`)
    assert.equal((await asked(server, 60, ofSite))[429], 30, 'ten of forty went to the first /64')
    assert.equal((await asked(server, 10, () => through('2001:db8:2::1')))[429], undefined)
  })

  test('a client that floods any route keeps no other client out', async () => {
    const server = limited()
    const urls = ['/v1/auth/login', '/v1/pins', '/v1/openapi.json', '/nothing', '/v1/auth/session']
    const credentials = [{}, { authorization: 'Bearer wrong' }, { cookie: '__Host-anchorage=wrong' }]
    for (const url of urls)
      for (const headers of credentials) await asked(server, 150, signIn({ url, headers }))
    assert.equal((await asked(server, 1, signIn()))[429], 1)
    assert.equal((await asked(server, 10, signIn({ remoteAddress: '198.51.100.8' })))[429], undefined)
    const others = await asked(server, 50, { url: '/v1/pins', remoteAddress: '198.51.100.8' })
    assert.deepEqual(others, { 401: 50 })
  })

  test('a flood from many addresses without tokens keeps no person out, even one at other session routes', async () => {
    const server = limited()
    const urls = ['/v1/pins', '/v1/auth/session', '/v1/auth/sessions']
    const from = (n: number): InjectOptions => ({
      url: urls[n % 3] ?? '',
      remoteAddress: `203.0.113.${n % 200}`,
    })
    const statuses = await asked(server, 300, from)
    assert.equal(statuses[429], 180)
    assert.equal((await asked(server, 10, signIn()))[429], undefined)
  })
})

suite('requests without a token', () => {
  test('an address may send 60 a minute, and all addresses together 120, whatever the path', async () => {
    const server = limited()
    const urls = ['/v1/pins', '/v1/openapi.json', '/nothing', '/v1/tokens']
    const from = (address: string) => (n: number) => ({ url: urls[n % 4] ?? '', remoteAddress: address })
    assert.equal((await asked(server, 70, from(client)))[429], 10)
    assert.equal((await asked(server, 70, from('198.51.100.8')))[429], 10)
    assert.equal((await asked(server, 5, from('198.51.100.9')))[429], 5)
  })

  test('a wrong token allows no more requests on a path that needs none', async () => {
    const statuses = await asked(limited(), 100, (n) => ({
      url: '/v1/openapi.json',
      headers: { authorization: `Bearer wrong-${n}` },
    }))
    assert.deepEqual(statuses, { 200: 60, 429: 40 })
  })

  test('a client with an ended token is answered with 401 up to five times the limit of strangers, and then with 429', async () => {
    const wrong = { url: '/v1/pins', headers: { authorization: 'Bearer over' } }
    assert.deepEqual(await asked(limited(), 400, wrong), { 401: 300, 429: 100 })
  })

  test('health and CORS preflights are never counted', async () => {
    const server = limited()
    assert.equal((await asked(server, 70, { url: '/v1/pins' }))[429], 10)
    assert.deepEqual(await asked(server, 50, { url: '/v1/health' }), { 200: 50 })
    assert.deepEqual(await asked(server, 50, { url: '/v1/ready', method: 'HEAD' }), { 200: 50 })
    const preflight: InjectOptions = {
      url: '/v1/pins',
      method: 'OPTIONS',
      headers: { origin: 'https://pins.example', 'access-control-request-method': 'POST' },
    }
    assert.deepEqual(await asked(server, 50, preflight), { 204: 50 })
  })
})

suite('requests with a token', () => {
  const onePrincipal = fakeServerWith(['tok_a', 'tok_b'])
  const withToken = (bearer: string, url = '/v1/pins'): InjectOptions => ({
    url,
    headers: { authorization: `Bearer ${bearer}` },
  })

  test('requests count for the token and not for the address, even on paths that do not exist', async () => {
    const server = onePrincipal()
    assert.equal((await asked(server, 200, { url: '/v1/pins' }))[429], 140)
    assert.deepEqual(await asked(server, 500, withToken('tok_a')), { 200: 500 })
    assert.deepEqual(await asked(server, 400, withToken('tok_a', '/nothing')), { 404: 400 })
    assert.deepEqual(await asked(server, 110, withToken('tok_a')), { 200: 100, 429: 10 })
    assert.deepEqual(await asked(server, 10, withToken('tok_b')), { 200: 10 })
  })

  test('every answer says how many requests are left, in both spellings, and a 429 says when to try again', async () => {
    const { app } = fakeServerWith(['tok_a'], { perCaller: 2 })()
    const answers = []
    for (let n = 0; n < 3; n++) answers.push(await app.inject(withToken('tok_a')))
    const [first, , last] = answers
    assert.equal(first?.headers['ratelimit-limit'], '2')
    assert.deepEqual(
      answers.map(({ headers }) => headers['ratelimit-remaining']),
      ['1', '0', '0'],
    )
    assert.deepEqual(
      answers.map(({ headers }) => headers['x-ratelimit-remaining']),
      ['1', '0', '0'],
    )
    const reset = Number(last?.headers['ratelimit-reset'])
    assert.ok(reset > 50 && reset <= 60, String(reset))
    const at = Number(last?.headers['x-ratelimit-reset']) - Date.now() / 1000
    assert.ok(at > 50 && at <= 62, 'the custom header has Unix time')
    assert.equal(last?.statusCode, 429)
    assert.equal(last?.headers['retry-after'], String(reset))
    assert.equal(last?.json().error.reason, 'TOO_MANY_REQUESTS')
    assert.match(last?.json().error.details, /of one caller: at most 2 in 60 seconds; try again in \d+ s$/)
    assert.match(
      String(last?.headers['access-control-expose-headers']),
      /\bratelimit-reset\b.*retry-after|retry-after.*\bratelimit-reset\b/,
    )
  })

  test('requests count for the org too, however many tokens it makes', async () => {
    const server = fakeServerWith(['tok_a', 'tok_b'], { perOrg: 15 }, mintId('org'))()
    assert.deepEqual(await asked(server, 10, withToken('tok_a')), { 200: 10 })
    assert.deepEqual(await asked(server, 10, withToken('tok_b')), { 200: 5, 429: 5 })
    const { headers, json } = await server.app.inject(withToken('tok_a'))
    assert.equal(headers['ratelimit-remaining'], '0')
    assert.match(json().error.details, /of one org: at most 15 in 60 seconds/)
  })

  test('a few requests of an org are handled at a time; the others wait, and no other org waits behind them', async () => {
    const ours = mintId('org')
    const server = fakeServerWith(['tok_a', 'tok_b'], { atOncePerOrg: 2 }, ours)()
    const list = server.pins.list.bind(server.pins)
    const held: (() => void)[] = []
    server.pins.list = async (principal, query) => {
      if (principal.orgId === ours) await new Promise<void>((resolve) => held.push(resolve))
      return list(principal, query)
    }
    const answers = ['tok_a', 'tok_b', 'tok_a', 'tok_b', 'tok_a'].map((token) =>
      server.app.inject(withToken(token)),
    )
    const soon = answers.map((answer) => answer.then(({ statusCode }) => statusCode))
    assert.equal((await server.app.inject(withToken('all'))).statusCode, 200)
    for (let done = 0; done < 5; done++) {
      await until('one is worked on', () => held.length > 0)
      assert.ok(held.length <= 2, `${held.length} at a time`)
      held.shift()?.()
    }
    assert.deepEqual(await Promise.all(soon), [200, 200, 200, 200, 200])
  })

  test('requests are neither counted nor refused while the principal cannot be determined', async () => {
    const server = fakeServer({
      rateLimits,
      verify: () => Promise.reject(new Error('Postgres is away')),
    })
    assert.deepEqual(await asked(server, 400, withToken('tok_a')), { 500: 400 })
  })
})

/** A server where each of `names` is the bearer of a separate principal, which speaks for `orgId` or otherwise for an org of its own. */
function fakeServerWith(names: string[], change: Partial<RateLimits> = {}, orgId?: OrgId): () => FakeServer {
  return () => {
    const principalOf = async () => ({
      ...(await verifyFake('all')),
      ...(orgId === undefined ? {} : { orgId }),
    })
    const principals = new Map(names.map((name) => [name, principalOf()]))
    return fakeServer({
      rateLimits: { ...rateLimits, ...change },
      verify: (bearer) => principals.get(bearer) ?? verifyFake(bearer),
    })
  }
}

suite('over real sockets', () => {
  const server = fakeServer({ rateLimits: { ...rateLimits, anonymous: 1000 }, trustProxy: ['127.0.0.9/32'] })
  let port: number

  before(async () => {
    await server.app.listen({ host: '::', port: 0 })
    port = (server.app.server.address() as AddressInfo).port
  })
  after(() => server.app.close())

  const status = (host: string, localAddress: string, headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const asking = httpRequest(
        { host, port, localAddress, headers, path: '/v1/auth/login', agent: false },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        },
      )
      asking.once('error', reject).end()
    })

  test('each IPv4 and IPv6 address has its own ten on a dual-stack socket, and headers change nothing', async () => {
    for (const [host, from] of [
      ['127.0.0.1', '127.0.0.2'],
      ['127.0.0.1', '127.0.0.3'],
      ['::1', '::1'],
    ] as const) {
      const statuses = []
      for (let n = 0; n < 12; n++) {
        const headers = { 'x-forwarded-for': `203.0.113.${n}`, forwarded: `for=203.0.113.${n}` }
        statuses.push(await status(host, from, headers))
      }
      assert.equal(statuses.indexOf(429), 10, `${from}: ${statuses.join(' ')}`)
    }
  })

  test('behind a trusted proxy each client has its own ten, over IPv4 and IPv6, and headers from any other address are ignored', async () => {
    const ask = (from: string, said: string): Promise<number> =>
      status('127.0.0.1', from, { 'x-forwarded-for': said, forwarded: `for="${said.slice(0, 3)}"` })
    for (const [client, dressed] of [
      ['198.51.100.7', (n: number) => `203.0.113.${n}, 198.51.100.7:${4000 + n}`],
      ['2001:db8:1:2::7', (n: number) => `2001:db8:9::${n}, 2001:db8:1:2::${n + 16}`],
    ] as const) {
      const statuses = []
      for (let n = 0; n < 12; n++) statuses.push(await ask('127.0.0.9', n % 2 === 0 ? client : dressed(n)))
      assert.equal(statuses.indexOf(429), 10, `${client}: ${statuses.join(' ')}`)
    }
    assert.notEqual(await ask('127.0.0.9', '198.51.100.8'), 429)
    const direct = []
    for (let n = 0; n < 12; n++) direct.push(await ask('127.0.0.8', `127.0.0.9, 198.51.101.${n}`))
    assert.equal(direct.indexOf(429), 10)
  })
})
