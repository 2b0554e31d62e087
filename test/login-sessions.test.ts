import { strict as assert } from 'node:assert'
import { createHmac, createPublicKey, randomUUID, type JsonWebKey } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose'
import { loadConfig } from '../src/config/config.ts'
import { loginsOf } from '../src/app/logins.ts'
import { minter } from '../src/auth/minter.ts'
import { stampFor } from '../src/auth/seal.ts'
import { mintId, parseId } from '../src/core/ids.ts'
import { freePort } from '../src/dev/free-port.ts'
import { clientId } from '../src/dev/identity-provider.ts'
import type { TestBrowser } from '../testing/clients/browser.ts'
import { cid, fakeServer, memoryLog } from '../testing/fakes/http-server.ts'
import { sessionCookie } from '../src/http/session/cookies.ts'
import { openStore } from '../src/store/store.ts'
import { nobodysSession, signIn, told, type SignIn } from './sign-in.ts'

interface Who {
  session: { id: string }
  user: { id: string; name: string | null; email: string | null; operator: boolean }
  memberships: { slug: string; role: string; org: string; scopes: string[] }[]
}

describe('sessions', () => {
  let world: SignIn
  let node: string
  let other: string
  before(async () => {
    world = await signIn()
    ;[node, other] = world.nodes
  })
  after(() => world[Symbol.asyncDispose]())

  const who = async (browser: TestBrowser): Promise<Who> =>
    JSON.parse(await (await browser.fetch(`${node}/v1/auth/session`)).text())
  const statusOf = async (browser: TestBrowser, path: string, base = node): Promise<number> => {
    const response = await fetch(`${base}${path}`, { headers: cookieOf(browser) })
    await response.body?.cancel()
    return response.status
  }
  const cookieOf = (browser: TestBrowser): Record<string, string> => ({
    cookie: `${sessionCookie}=${browser.cookies(node).get(sessionCookie)}`,
  })

  test('a session is valid on every node, and on none after it is signed out', async () => {
    const browser = await world.browser('bob')
    const kept = cookieOf(browser)
    for (const base of world.nodes)
      assert.equal((await fetch(`${base}/v1/pins`, { headers: kept })).status, 200)
    const out = await browser.fetch(`${node}/v1/auth/logout`, { method: 'POST' })
    assert.equal(
      out.headers.get('set-cookie'),
      `${sessionCookie}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax`,
    )
    for (const base of world.nodes) {
      const said = await told(await fetch(`${base}/v1/pins`, { headers: kept }))
      assert.equal(said.status, 401)
      assert.match(said.details, /sign in again/)
    }
    const again = await fetch(`${node}/v1/auth/logout`, {
      method: 'POST',
      headers: { ...kept, 'sec-fetch-site': 'same-origin' },
    })
    assert.deepEqual(
      [again.status, await again.json()],
      [200, { redirect: null }],
      'the second time it does nothing',
    )
  })

  test('answers to a cookie can be read only by this page, and are never cached', async () => {
    const browser = await world.browser('bob')
    const cookie = cookieOf(browser)
    const asked = [
      fetch(`${node}/v1/pins`, { headers: cookie }),
      fetch(`${node}/v1/pins/nothing`, { headers: cookie }),
      fetch(`${node}/v1/pins`, { headers: { cookie: `${sessionCookie}=x` } }),
      fetch(`${node}/v1/pins`, { headers: cookie, method: 'POST' }),
      fetch(`${node}/v1/auth/session`, { headers: cookie }),
      fetch(`${node}/v1/auth/session`),
      fetch(`${node}/v1/auth/login`, { redirect: 'manual' }),
    ]
    for (const response of await Promise.all(asked)) {
      assert.equal(
        response.headers.get('access-control-allow-origin'),
        null,
        `${response.status} ${response.url}`,
      )
      assert.equal(response.headers.get('access-control-allow-credentials'), null)
      assert.equal(response.headers.get('cache-control'), 'no-store')
    }
    const byBearer = await fetch(`${node}/v1/pins`, { headers: { ...cookie, authorization: 'Bearer all' } })
    assert.equal(byBearer.headers.get('access-control-allow-origin'), '*')
  })

  test('the session shows who is signed in and what the person may do', async () => {
    const { user, memberships } = await who(await world.browser('alice'))
    assert.deepEqual(
      { ...user, id: '' },
      { id: '', name: 'Alice', email: 'alice@example.com', operator: true },
    )
    assert.deepEqual(
      memberships.map(({ slug, role, scopes }) => [slug, role, scopes.length]),
      [['dev', 'owner', 5]],
    )
    const signedOut = await told(await fetch(`${node}/v1/auth/session`))
    assert.deepEqual([signedOut.status, signedOut.reason], [401, 'UNAUTHORIZED'])
    const token = await told(
      await fetch(`${node}/v1/auth/session`, { headers: { authorization: 'Bearer all' } }),
    )
    assert.equal(token.status, 403)
  })

  test('a person sees and ends only their own sessions; a session of another person does not exist', async () => {
    const [first, second, alice] = [
      await world.browser('bob'),
      await world.browser('bob'),
      await world.browser('alice'),
    ]
    const list = async (
      browser: TestBrowser,
    ): Promise<{ results: { id: string; current: boolean; address: string }[] }> =>
      JSON.parse(await (await browser.fetch(`${node}/v1/auth/sessions`)).text())
    const { results } = await list(first)
    assert.equal(results.filter(({ current }) => current).length, 1)
    assert.equal(results[0]?.address, '127.0.0.1')
    const own = (await who(second)).session.id
    assert.ok(results.some(({ id, current }) => id === own && !current))
    const end = async (browser: TestBrowser, id: string) =>
      await browser.fetch(`${node}/v1/auth/sessions/${id}`, { method: 'DELETE' })
    const foreign = await end(alice, own)
    const absent = await end(alice, nobodysSession)
    assert.equal(foreign.status, 404)
    assert.equal(await foreign.text(), await absent.text())
    assert.equal((await end(alice, 'x')).status, 404)
    assert.equal((await end(first, own)).status, 204)
    assert.deepEqual(
      [await statusOf(second, '/v1/pins', other), await statusOf(first, '/v1/pins', other)],
      [401, 200],
    )
    assert.equal((await end(first, own)).status, 404)
  })

  test('roles follow the groups at each login, and tokens beyond those roles end', async () => {
    const bob = world.users['bob'] ?? assert.fail()
    const usual = bob.groups
    const roles = async () =>
      (await who(await world.browser('bob'))).memberships.map(({ slug, role }) => `${slug} ${role}`)
    try {
      bob.groups = [
        'anchorage:dev:viewer',
        'anchorage:dev:admin',
        'anchorage:other:member',
        'anchorage:nowhere:owner',
      ]
      assert.deepEqual((await roles()).toSorted(), ['dev admin', 'other member'])
      const browser = await world.browser('bob')
      const { user, memberships } = await who(browser)
      assert.equal(user.operator, false)
      const dev = memberships.find(({ slug }) => slug === 'dev')?.org ?? ''
      const orgId = (await world.store.orgDirectory.findOrg(dev)).id
      const token = await tokenOf(world, orgId, user.id)
      bob.groups = ['anchorage:dev:viewer']
      assert.deepEqual(await roles(), ['dev viewer'])
      assert.deepEqual(
        (await who(browser)).memberships.map(({ role }) => role),
        ['viewer'],
        'also in sessions that continue',
      )
      assert.ok(world.told.includes(token), 'the nodes are told of the token')
      assert.equal((await world.store.tokens.tokenState(token))?.revoked, true)
      bob.groups = []
      assert.deepEqual(await roles(), [])
    } finally {
      bob.groups = usual
    }
  })

  test('a person of several orgs names one; an org of which the person is not a member does not exist', async () => {
    const bob = world.users['bob'] ?? assert.fail()
    const usual = bob.groups
    bob.groups = ['anchorage:dev:member', 'anchorage:other:viewer']
    const both = await world.browser('bob').finally(() => (bob.groups = usual))
    const asked = async (browser: TestBrowser, org: string | null, init: RequestInit = {}) => {
      const headers: Record<string, string> = {
        ...(org === null ? {} : { 'anchorage-org': org }),
        'content-type': 'application/json',
      }
      return await told(await browser.fetch(`${node}/v1/pins`, { ...init, headers }))
    }
    const unnamed = await asked(both, null)
    assert.equal(unnamed.status, 400)
    assert.match(unnamed.details, /anchorage-org \(dev, other\)/)
    const post = { method: 'POST', body: JSON.stringify({ cid }) }
    assert.equal((await asked(both, 'dev', post)).status, 202)
    const seen = world.pins[0]?.calls.at(-1)?.arguments[0]
    const dev = (await who(both)).memberships.find(({ slug }) => slug === 'dev')
    assert.equal(Reflect.get(Object(seen), 'orgId'), dev?.org)
    const viewer = await asked(both, 'other', post)
    assert.equal(viewer.status, 403)
    assert.match(viewer.details, /pins:write/)
    const [foreign, absent, operator] = [
      await asked(await world.browser('bob'), 'other'),
      await asked(await world.browser('bob'), mintId('org')),
      await asked(await world.browser('alice'), 'other'),
    ]
    assert.equal(foreign.status, 404)
    assert.deepEqual(foreign, absent)
    assert.deepEqual(operator, absent, 'an operator, too, is no member')
  })

  test('while the provider is unreachable no person signs in, and sessions continue; then logins work again', async () => {
    await using lonely = await signIn()
    const [here] = lonely.nodes
    await lonely.provider.stop()
    const away = await told(await fetch(`${here}/v1/auth/login`))
    assert.deepEqual([away.status, away.reason], [503, 'SERVICE_UNAVAILABLE'])
    assert.match(away.details, /identity provider cannot be reached/)
    await lonely.provider.start()
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const browser = await lonely.browser('alice')
    const { browser: halfway, callback } = await lonely.untilCallback('bob')
    await lonely.provider.stop()
    assert.equal((await browser.fetch(`${here}/v1/pins`)).status, 200)
    assert.equal((await halfway.ask(callback.href)).status, 503)
    const out = await browser.fetch(`${here}/v1/auth/logout`, { method: 'POST' })
    assert.equal(out.status, 200, 'signing out needs no provider')
  })

  test('a session ends after session.idleTimeout without use, and its cookie after session.maxAge', async () => {
    await using brief = await signIn(['--session.idle-timeout', '1ms', '--session.max-age', '90s'])
    const [here] = brief.nodes
    const { browser, callback } = await brief.untilCallback('bob')
    const finished = await browser.ask(callback.href)
    assert.match(finished.headers.getSetCookie().at(-1) ?? '', /^__Host-anchorage=.*Max-Age=90;/)
    const said = await told(await browser.ask(`${here}/v1/pins`))
    assert.deepEqual(
      [said.status, said.details],
      [401, 'the session has ended: sign in again at /v1/auth/login'],
    )
  })

  test('without Postgres a session cookie is answered with 503, and a forged one still with 401', async () => {
    const url = `postgres://nobody@127.0.0.1:${await freePort()}/nothing`
    await using store = openStore({ tenantUrl: url, systemUrl: url, log: memoryLog() })
    const argv = ['--oidc.issuer', world.issuer, '--oidc.client-id', clientId]
    const config = loadConfig({ argv, env: {} })
    const logins = await loginsOf({
      config,
      store,
      masterKey: world.masterKey,
      announce: async () => {},
      log: memoryLog(),
    })
    const { app } = fakeServer({ logins })
    const cookie = `${sessionCookie}=${stampFor(world.masterKey, 'session cookie').put('a'.repeat(43))}`
    assert.equal((await app.inject({ url: '/v1/pins', headers: { cookie } })).statusCode, 503)
    assert.equal(
      (await app.inject({ url: '/v1/pins', headers: { cookie: `${sessionCookie}=x` } })).statusCode,
      401,
    )
  })

  describe('the back channel', () => {
    const event = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const claims = (more: JWTPayload = {}): JWTPayload => {
      const seconds = Math.floor(Date.now() / 1000)
      const usual = {
        iss: world.issuer,
        aud: clientId,
        iat: seconds,
        exp: seconds + 120,
        jti: randomUUID(),
        events: event,
      }
      return { ...usual, sub: 'bob', ...more }
    }
    const signed = async (
      payload: JWTPayload,
      header: Record<string, string> = {},
      key?: Parameters<SignJWT['sign']>[0],
    ): Promise<string> =>
      new SignJWT(payload)
        .setProtectedHeader({ alg: 'RS256', kid: 'dev', typ: 'logout+jwt', ...header })
        .sign(key ?? (await importJWK(world.keys.jwk as JsonWebKey & { kty: string }, 'RS256')))
    const send = async (token: string, base = other) =>
      await fetch(`${base}/v1/auth/backchannel-logout`, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: token }),
      })

    test('ends all sessions of a person, or the named one, on every node; each logout token works once', async () => {
      const [first, second, alice] = [
        await world.browser('bob'),
        await world.browser('bob'),
        await world.browser('alice'),
      ]
      const token = await signed(claims())
      const ended = await send(token)
      assert.equal(ended.status, 200)
      assert.equal(ended.headers.get('cache-control'), 'no-store')
      for (const browser of [first, second]) assert.equal(await statusOf(browser, '/v1/pins'), 401)
      assert.equal(await statusOf(alice, '/v1/pins'), 200)
      const later = await world.browser('bob')
      for (const base of world.nodes) {
        const again = await told(await send(token, base))
        assert.deepEqual([again.status, again.details], [400, 'the logout token was used before'])
      }
      assert.equal(await statusOf(later, '/v1/pins'), 200, 'a token that was seen ends nothing more')
      assert.equal(
        (await send(await signed(claims({ sub: 'stranger' })))).status,
        200,
        'a logout of an unknown person succeeds',
      )
      const { exp: _none, ...endless } = claims()
      assert.equal(
        (await send(await signed(endless, { typ: 'JWT' }))).status,
        200,
        'as older providers make them',
      )
      assert.equal(await statusOf(later, '/v1/pins'), 401)
    })

    test('a token that the provider did not sign, or made for another purpose, ends no session', async () => {
      const browser = await world.browser('bob')
      const seconds = Math.floor(Date.now() / 1000)
      const jwk = world.keys.jwk as JsonWebKey & { kty: string }
      const stranger = await generateKeyPair('RS256')
      const spki = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
      const hmac = (key: string | Buffer, header: object) => {
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
        const text = `${part(header)}.${part(claims())}`
        return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
      }
      const { events: _none, ...eventless } = claims()
      const { jti: _nor, ...idless } = claims()
      const { sub: _nobody, ...unnamed } = claims()
      const idToken = await idTokenOf(world)
      const forged: [string, string, RegExp][] = [
        ['none', new UnsecuredJWT(claims()).encode(), /wrong algorithm|it is malformed/],
        ['a stranger’s key', await signed(claims(), {}, stranger.privateKey), /signature/],
        ['an unknown kid', await signed(claims(), { kid: 'x' }, stranger.privateKey), /unknown key/],
        ['the public key as HMAC', hmac(String(spki), { alg: 'HS256', kid: 'dev' }), /wrong algorithm/],
        ['the client’s secret as HMAC', hmac(world.keys.clientSecret, { alg: 'HS256' }), /wrong algorithm/],
        ['another audience', await signed(claims({ aud: 'another' })), /aud/],
        ['another issuer', await signed(claims({ iss: 'https://evil.example' })), /iss/],
        ['over', await signed(claims({ exp: seconds - 60 })), /expired/],
        ['old', await signed(claims({ iat: seconds - 3600 })), /iat|expired/],
        ['of the future', await signed(claims({ iat: seconds + 3600 })), /iat/],
        ['without events', await signed(eventless), /events/],
        ['another event', await signed(claims({ events: { 'urn:x': {} } })), /no logout/],
        ['events as text', await signed(claims({ events: Object.keys(event)[0] })), /no logout/],
        ['with a nonce', await signed(claims({ nonce: 'x' })), /nonce/],
        ['without jti', await signed(idless), /jti/],
        ['without a person', await signed(unnamed), /neither/],
        ['about a number', await signed(claims({ sid: 1 })), /sid/],
        ['an access token’s typ', await signed(claims(), { typ: 'at+jwt' }), /typ/],
        ['an ID token', idToken, /events/],
        ['garbage', 'x.y.z', /it is malformed/],
        ['too much', `${'x'.repeat(20_000)}`, /too long/],
      ]
      for (const [what, token, details] of forged) {
        const said = await told(await send(token))
        assert.equal(said.status, 400, what)
        assert.match(said.details, details, what)
      }
      assert.equal(await statusOf(browser, '/v1/pins'), 200)
    })

    test('it accepts a form and nothing else', async () => {
      const url = `${node}/v1/auth/backchannel-logout`
      const token = await signed(claims({ sub: 'stranger' }))
      const json = { 'content-type': 'application/json' }
      assert.equal(
        (await fetch(url, { method: 'POST', headers: json, body: JSON.stringify({ logout_token: token }) }))
          .status,
        415,
      )
      assert.equal((await fetch(url, { method: 'POST', body: new URLSearchParams({ token }) })).status, 400)
      assert.equal((await fetch(url, { method: 'POST' })).status, 400)
      assert.equal((await fetch(`${url}?logout_token=${token}`)).status, 405)
      const huge = await fetch(url, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: 'x'.repeat(100_000) }),
      })
      assert.equal(huge.status, 413)
    })
  })
})

/** Mints a token in the name of a person. */
async function tokenOf(world: SignIn, orgId: Parameters<SignIn['store']['orgs']['org']>[0], userId: string) {
  const createdBy = parseId('usr', userId)
  const { id } = await minter({ store: world.store.tokens, masterKey: world.masterKey }).mint({
    orgId,
    name: null,
    scopes: ['pins:write'],
    ttlMs: 60_000,
    createdBy,
  })
  return id
}

/** An ID token that the provider signed for a login. */
async function idTokenOf(world: SignIn): Promise<string> {
  const browser = await world.browser('alice')
  const out = await browser.fetch(`${world.nodes[0]}/v1/auth/logout`, { method: 'POST' })
  const { redirect }: { redirect: string } = JSON.parse(await out.text())
  return new URL(redirect).searchParams.get('id_token_hint') ?? assert.fail('no id token')
}

test('when login is off, its routes say what to configure, and cookies have no effect', async () => {
  const { app } = fakeServer()
  for (const [method, url] of [
    ['GET', '/v1/auth/login'],
    ['GET', '/v1/auth/callback'],
    ['GET', '/v1/auth/session'],
    ['GET', '/v1/auth/sessions'],
    ['DELETE', `/v1/auth/sessions/${nobodysSession}`],
    ['POST', '/v1/auth/logout'],
    ['POST', '/v1/auth/backchannel-logout'],
  ] as const) {
    const response = await app.inject({ method, url })
    assert.equal(response.statusCode, 404, url)
    assert.match(response.json().error.details, /oidc\.issuer/)
  }
  const ignored = await app.inject({
    url: '/v1/pins',
    headers: { cookie: `${sessionCookie}=${'a'.repeat(43)}` },
  })
  assert.equal(ignored.statusCode, 401)
  assert.doesNotMatch(ignored.json().error.details, /sign in/)
})
