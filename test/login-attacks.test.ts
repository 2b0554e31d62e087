import { strict as assert } from 'node:assert'
import type { JsonWebKey } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { decodeJwt, generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose'
import { sealFor } from '../src/auth/seal.ts'
import { oidcProvider } from '../src/auth/oidc.ts'
import { clientId } from '../src/dev/identity-provider.ts'
import { TestBrowser } from '../testing/clients/browser.ts'
import { cid } from '../testing/fakes/http-server.ts'
import { loginCookie, sessionCookie } from '../src/http/session/cookies.ts'
import { signIn, told, type SignIn } from './sign-in.ts'

describe('attacks on a login', () => {
  let world: SignIn
  let node: string
  before(async () => {
    world = await signIn()
    node = world.nodes[0]
  })
  after(() => world[Symbol.asyncDispose]())

  const withParameter = (callback: URL, name: string, value: string | null): string => {
    const changed = new URL(callback)
    if (value === null) changed.searchParams.delete(name)
    else changed.searchParams.set(name, value)
    return changed.href
  }
  /** The provider as a node uses it, and logins there up to the callback. */
  const directly = () => {
    const redirectUri = `${node}/v1/auth/callback`
    const provider = oidcProvider({
      issuer: world.issuer,
      clientId,
      clientSecret: world.keys.clientSecret,
      clientAuthentication: 'client_secret_post',
      scopes: ['openid', 'profile'],
      claims: { name: 'name', email: 'email', groups: 'groups' },
      clock: { now: Date.now, steadyMs: () => performance.now() },
    })
    const answered = async () => {
      const { url, secrets } = await provider.begin(redirectUri)
      const browser = new TestBrowser()
      const form = await browser.go(url)
      const callback = await browser.submit(
        form.url,
        { user: 'bob', password: world.keys.password },
        redirectUri,
      )
      return { query: new URL(callback.url).search, secrets }
    }
    return { provider, answered }
  }
  const refused = async (browser: TestBrowser, url: string, status: number, details: RegExp) => {
    const said = await told(await browser.ask(url))
    assert.equal(said.status, status, said.details)
    assert.match(said.details, details)
    assert.equal(browser.cookies(node).has(sessionCookie), false, 'no session came of it')
  }

  test('the request to the provider has PKCE with S256, a state and a nonce, new for each login', async () => {
    const seen = new Set<string>()
    for (let i = 0; i < 3; i += 1) {
      const response = await new TestBrowser().ask(`${node}/v1/auth/login`)
      const { searchParams } = new URL(response.headers.get('location') ?? '')
      assert.equal(searchParams.get('code_challenge_method'), 'S256')
      assert.equal(searchParams.get('redirect_uri'), `${node}/v1/auth/callback`)
      for (const name of ['state', 'nonce', 'code_challenge']) {
        const value = searchParams.get(name) ?? ''
        assert.match(value, /^[\w-]{43}$/)
        seen.add(value)
      }
    }
    assert.equal(seen.size, 9)
  })

  test('a wrong or missing state is refused', async () => {
    for (const state of ['x'.repeat(43), '', null]) {
      const { browser, callback } = await world.untilCallback('alice')
      await refused(
        browser,
        withParameter(callback, 'state', state),
        401,
        /does not belong to the login that this browser started/,
      )
    }
  })

  test('a link to the callback of another person’s login signs in no browser', async () => {
    const { callback } = await world.untilCallback('alice')
    await refused(new TestBrowser(), callback.href, 401, /has not started a login/)
    const victim = await world.untilCallback('bob')
    await refused(
      victim.browser,
      callback.href,
      401,
      /does not belong to the login that this browser started/,
    )
  })

  test('another person’s code with the own state is refused: it was made for another verifier', async () => {
    const attacker = await world.untilCallback('alice')
    const victim = await world.untilCallback('bob')
    const code = attacker.callback.searchParams.get('code')
    await refused(
      victim.browser,
      withParameter(victim.callback, 'code', code),
      401,
      /belongs to another login/,
    )
  })

  test('a wrong verifier, a wrong nonce and a wrong redirect are each refused', async () => {
    const { provider, answered } = directly()
    const fine = await answered()
    assert.equal((await provider.finish(fine.query, fine.secrets)).subject, 'bob')
    const wrong = [
      [{ verifier: 'v'.repeat(43) }, /belongs to another login/],
      [{ nonce: 'n'.repeat(43) }, /does not belong to the login that this browser started/],
      [{ redirectUri: `${world.nodes[1]}/v1/auth/callback` }, /belongs to another login/],
    ] as const
    for (const [change, message] of wrong) {
      const { query, secrets } = await answered()
      await assert.rejects(provider.finish(query, { ...secrets, ...change }), {
        code: 'unauthenticated',
        message,
      })
    }
  })

  test('an ID token must be signed by the provider, for this service, now; and userinfo must be of the same person', async (context) => {
    const { provider, answered } = directly()
    const key = await importJWK(world.keys.jwk as JsonWebKey & { kty: string }, 'RS256')
    const stranger = (await generateKeyPair('RS256')).privateKey
    const sign = (claims: JWTPayload, by: typeof stranger | Uint8Array = key, alg = 'RS256') =>
      new SignJWT(claims).setProtectedHeader({ alg, kid: 'dev' }).sign(by)
    const seconds = Math.floor(Date.now() / 1000)
    const changes: [string, (token: string, claims: JWTPayload) => string | Promise<string>][] = [
      ['other claims below the signature', (token, claims) => withClaims(token, { ...claims, sub: 'alice' })],
      ['a stranger’s signature', (_, claims) => sign(claims, stranger)],
      ['none', (_, claims) => new UnsecuredJWT(claims).encode()],
      ['the client’s secret', (_, claims) => sign(claims, Buffer.from(world.keys.clientSecret), 'HS256')],
      ['another audience', (_, claims) => sign({ ...claims, aud: 'another' })],
      [
        'several audiences, and another party',
        (_, claims) => sign({ ...claims, aud: [clientId, 'another'], azp: 'another' }),
      ],
      ['another issuer', (_, claims) => sign({ ...claims, iss: 'https://evil.example' })],
      ['over', (_, claims) => sign({ ...claims, exp: seconds - 60 })],
      ['of the future', (_, claims) => sign({ ...claims, nbf: seconds + 600 })],
      ['without a nonce', (_, { nonce: _none, ...claims }) => sign(claims)],
      ['of another person than userinfo', (_, claims) => sign({ ...claims, sub: 'alice' })],
    ]
    const real = globalThis.fetch
    let change: (typeof changes)[number][1] = (token) => token
    context.mock.method(globalThis, 'fetch', async (...given: Parameters<typeof fetch>) => {
      const response = await real(...given)
      if (new URL(response.url).pathname !== '/token') return response
      const body: { id_token: string } = JSON.parse(await response.text())
      const changed = await change(body.id_token, decodeJwt(body.id_token))
      return Response.json({ ...body, id_token: changed })
    })
    const fine = await answered()
    assert.equal((await provider.finish(fine.query, fine.secrets)).subject, 'bob')
    for (const [what, each] of changes) {
      change = (token) => token
      const { query, secrets } = await answered()
      change = each
      await assert.rejects(provider.finish(query, secrets), { code: 'unauthenticated' }, what)
    }
  })

  test('an answer in the name of another issuer is refused', async () => {
    for (const issuer of ['https://evil.example', null]) {
      const { browser, callback } = await world.untilCallback('alice')
      await refused(
        browser,
        withParameter(callback, 'iss', issuer),
        401,
        /does not belong to the login that this browser started/,
      )
    }
  })

  test('a callback works once: neither its address nor its cookie works a second time', async () => {
    const { browser, callback } = await world.untilCallback('bob')
    const kept = browser.cookies(node).get(loginCookie) ?? assert.fail('no login cookie')
    const first = await browser.ask(callback.href)
    assert.equal(first.status, 302)
    assert.equal(browser.cookies(node).has(loginCookie), false)
    await browser.fetch(`${node}/v1/auth/logout`, { method: 'POST' })
    await refused(browser, callback.href, 401, /has not started a login/)
    browser.cookies(node).set(loginCookie, kept)
    await refused(browser, callback.href, 401, /was used before/)
  })

  test('a login cookie that was changed, or made with another key or for another purpose, is refused', async () => {
    const { browser, callback } = await world.untilCallback('bob')
    const sealed = browser.cookies(node).get(loginCookie) ?? assert.fail('no login cookie')
    const text = sealFor(world.masterKey, 'login cookie').open(sealed) ?? assert.fail('it does not open')
    const flipped = Buffer.from(sealed, 'base64url')
    flipped[40] = (flipped[40] ?? 0) ^ 1
    const forged = [
      flipped.toString('base64url'),
      sealed.slice(0, 20),
      '',
      Buffer.from(text).toString('base64url'),
      sealFor(new Uint8Array(32), 'login cookie').close(text),
      sealFor(world.masterKey, 'another').close(text),
      sealFor(world.masterKey, 'login cookie').close(
        JSON.stringify({ ...JSON.parse(text), untilMs: Date.now() - 1 }),
      ),
    ]
    for (const cookie of forged) {
      browser.cookies(node).set(loginCookie, cookie)
      await refused(browser, callback.href, 401, /has not started a login|took too long/)
    }
    browser.cookies(node).set(loginCookie, sealed)
    assert.equal((await browser.ask(callback.href)).status, 302, 'untouched, it is good')
  })

  test('a login returns only to a path of this service', async () => {
    const foreign = [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example/',
      '\\\\evil.example/',
      'evil.example',
      'javascript:alert(1)',
      '/\t/evil.example/',
      '/a\r\nset-cookie: x=y',
      '/é',
      `/${'a'.repeat(2048)}`,
      '',
    ]
    for (const path of foreign) {
      const said = await told(
        await fetch(`${node}/v1/auth/login?return_to=${encodeURIComponent(path)}`, { redirect: 'manual' }),
      )
      assert.equal(said.status, 400, path)
      assert.match(said.details, /return_to/)
    }
    const twice = await fetch(`${node}/v1/auth/login?return_to=/&return_to=//evil.example`, {
      redirect: 'manual',
    })
    assert.equal(twice.status, 400)
    for (const path of ['/', '/v1/docs/?a=b#c', '/a//b', '/@x', '/%2f%2fevil.example']) {
      const browser = new TestBrowser()
      const start = `${node}/v1/auth/login?return_to=${encodeURIComponent(path)}`
      const form = await browser.go(start)
      const fields = { user: 'bob', password: world.keys.password }
      const callback = await browser.submit(form.url, fields, `${node}/v1/auth/callback`)
      const location = (await browser.ask(callback.url)).headers.get('location') ?? ''
      assert.equal(location, path)
      assert.equal(new URL(location, node).origin, node)
    }
  })

  test('a request with another host header is not redirected', async () => {
    const { request } = await import('node:http')
    const answer = await new Promise<{ status: number; location: string | undefined }>((resolve, reject) => {
      const asked = request(`${node}/v1/auth/login`, { headers: { host: 'evil.example' } }, (response) => {
        response.resume()
        resolve({ status: response.statusCode ?? 0, location: response.headers.location })
      })
      asked.once('error', reject).end()
    })
    assert.deepEqual(answer, { status: 503, location: undefined })
  })

  test('a refusal by the provider is reported as one, and in its words only to the browser that it answers', async () => {
    const { browser, callback } = await world.untilCallback('bob')
    const refusal = new URL(callback)
    refusal.search = new URLSearchParams({
      error: 'access_denied',
      error_description: '<script>alert(1)</script>',
      state: callback.searchParams.get('state') ?? '',
      iss: world.issuer,
    }).toString()
    const kept = browser.cookies(node).get(loginCookie) ?? ''
    await refused(
      browser,
      withParameter(refusal, 'state', 'x'),
      401,
      /does not belong to the login that this browser started/,
    )
    browser.cookies(node).set(loginCookie, kept)
    await refused(browser, refusal.href, 403, /refused the login: access_denied$/)
    const page = await fetch(refusal.href, {
      headers: { cookie: `${loginCookie}=${kept}`, accept: 'text/html' },
    })
    assert.equal(page.status, 403)
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    const html = await page.text()
    assert.match(html, /access_denied/)
    assert.doesNotMatch(html, /<script/)
  })

  test('a session planted in a browser is not the session that it logs in with', async () => {
    const attacker = await world.browser('alice')
    const planted = attacker.cookies(node).get(sessionCookie) ?? assert.fail('no cookie')
    const victim = new TestBrowser()
    victim.cookies(node).set(sessionCookie, planted)
    await victim.logIn(node, 'bob', world.keys.password)
    assert.notEqual(victim.cookies(node).get(sessionCookie), planted)
    assert.equal(
      (await attacker.fetch(`${node}/v1/auth/session`)).status,
      401,
      'what the browser had before is over',
    )
    const made = 'A'.repeat(43)
    const other = new TestBrowser()
    other.cookies(node).set(sessionCookie, made)
    await other.logIn(node, 'bob', world.keys.password)
    assert.notEqual(other.cookies(node).get(sessionCookie), made)
  })

  test('the cookies are bound to this host, hidden from scripts, and not sent with posts from other sites', async () => {
    const { browser, callback } = await world.untilCallback('bob')
    const began = await new TestBrowser().ask(`${node}/v1/auth/login`)
    const finished = await browser.ask(callback.href)
    const lines = [...began.headers.getSetCookie(), ...finished.headers.getSetCookie()]
    assert.deepEqual(
      lines.map((line) => line.replace(/=[^;]*/, '').replace(/Max-Age=\d+/, 'Max-Age')),
      [loginCookie, loginCookie, sessionCookie].map(
        (name) => `${name}; Max-Age; Path=/; Secure; HttpOnly; SameSite=Lax`,
      ),
    )
    assert.deepEqual(
      lines.map((line) => /Max-Age=(\d+)/.exec(line)?.[1]),
      ['600', '0', '604800'],
    )
    assert.match(lines[2] ?? '', /^__Host-anchorage=[\w-]{65};/)
  })

  test('a change by cookie must come from a page of this service', async () => {
    const browser = await world.browser('bob')
    const asked = async (
      headers: Record<string, string>,
      path = '/v1/pins',
      body: string | null = JSON.stringify({ cid }),
    ) => {
      const type: Record<string, string> = body === null ? {} : { 'content-type': 'application/json' }
      return await told(
        await browser.ask(`${node}${path}`, { method: 'POST', headers: { ...type, ...headers }, body }),
      )
    }
    const calls = () => world.pins[0]?.calls.length
    const before_ = calls()
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': '' },
      { 'sec-fetch-site': 'cross-site', origin: node },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `${node}.evil.example` },
      { origin: `${node}/` },
      { origin: world.nodes[1] },
      { referer: `${node}/` },
      {},
    ]
    for (const headers of foreign) {
      for (const path of ['/v1/pins', '/v1/tokens']) {
        const said = await asked(headers, path)
        assert.equal(said.status, 403, JSON.stringify(headers))
        assert.match(said.details, /comes from a page of this service/)
      }
      assert.equal((await asked(headers, '/v1/auth/logout', null)).status, 403)
    }
    assert.equal(calls(), before_, 'nothing was done')
    const crossSite = { 'sec-fetch-site': 'cross-site' }
    assert.equal(
      (await browser.ask(`${node}/v1/pins`, { headers: crossSite })).status,
      200,
      'reading by a link is fine',
    )
    for (const own of [{ 'sec-fetch-site': 'same-origin' }, { origin: node }] as Record<string, string>[])
      assert.equal((await asked(own)).status, 202)
    const byBearer = {
      authorization: 'Bearer all',
      'sec-fetch-site': 'cross-site',
      origin: 'https://evil.example',
    }
    assert.equal((await asked(byBearer)).status, 202, 'a bearer is not sent by itself')
  })

  test('a cookie is not accepted as a bearer, nor a bearer as a cookie, and when both are sent the bearer counts', async () => {
    const browser = await world.browser('bob')
    const cookie = browser.cookies(node).get(sessionCookie) ?? ''
    const asked = async (headers: Record<string, string>) =>
      await told(await fetch(`${node}/v1/pins`, { headers }))
    assert.equal((await asked({ authorization: `Bearer ${cookie}` })).status, 401)
    for (const value of [
      'all',
      'eyJhbGciOiJIUzI1NiJ9.e30.c2ln',
      '',
      'a'.repeat(43),
      'a'.repeat(60_000),
      "' or 1=1 --",
    ])
      assert.equal((await asked({ cookie: `${sessionCookie}=${value}` })).status, 401, value.slice(0, 50))
    assert.equal((await asked({ cookie: `${sessionCookie}=${cookie}` })).status, 200)
    const bad = await asked({ cookie: `${sessionCookie}=${cookie}`, authorization: 'Bearer nonsense' })
    assert.equal(bad.status, 401)
    const without = await asked({ cookie: `${sessionCookie}=${cookie}`, authorization: 'Bearer pins:write' })
    assert.match(without.details, /access token with the scope pins:read/)
  })
})

/** The same token with other claims. */
function withClaims(token: string, claims: JWTPayload): string {
  const [header, , signature] = token.split('.')
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
}
