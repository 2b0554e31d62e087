// Worlds of its own: they have their own provider's sessions, and one logs at `debug`.
import { strict as assert } from 'node:assert'
import { after, before, describe, test } from 'node:test'
import { TestBrowser } from '../testing/clients/browser.ts'
import { World } from '../testing/world/world.ts'

/** All logins of these tests come from one address. */
const env = { ANCHORAGE_RATE_LIMITS_SIGN_IN_PER_ADDRESS: '1000' }

describe('signing in at the provider of anchorage dev', () => {
  let world: World
  let node: string
  let password: string
  before(async () => {
    world = await World.start({ env })
    node = await world.value('NODE_URL_1')
    password = await world.value('LOGIN_PASSWORD')
  })
  after(() => world[Symbol.asyncDispose]())

  const signedIn = async (user: string): Promise<TestBrowser> => {
    const browser = new TestBrowser()
    const { url, response } = await browser.logIn(node, user, password)
    assert.equal(url, `${node}/v1/auth/session`)
    assert.equal(response?.status, 200)
    return browser
  }
  const statusOf = async (browser: TestBrowser, path: string): Promise<number> => {
    const response = await browser.fetch(`${node}${path}`)
    await response.body?.cancel()
    return response.status
  }

  test('the greeting says where to sign in, and as which user', async () => {
    await world.told(
      new RegExp(`Sign in at ${node}/v1/auth/login as alice or bob, with the password ${password}`),
    )
  })

  test('an owner who is an operator, and a member, have the roles of their groups', async () => {
    const alice = await signedIn('alice')
    const bob = await signedIn('bob')
    assert.deepEqual(
      await Promise.all(
        ['/v1/pins', '/v1/admin/nodes'].flatMap((path) => [statusOf(alice, path), statusOf(bob, path)]),
      ),
      [200, 200, 200, 403],
    )
    const who: { user: { name: string; operator: boolean }; memberships: { slug: string; role: string }[] } =
      JSON.parse(await (await bob.fetch(`${node}/v1/auth/session`)).text())
    assert.equal(who.user.name, 'Bob')
    assert.deepEqual(
      who.memberships.map(({ slug, role }) => `${slug} ${role}`),
      ['dev member'],
    )
  })

  test('signing out here ends the session; signing out at the provider also ends its own session', async () => {
    const browser = await signedIn('bob')
    const old = browser.cookies(node).get('__Host-anchorage') ?? assert.fail('no cookie')
    const out = await browser.fetch(`${node}/v1/auth/logout`, { method: 'POST' })
    const { redirect }: { redirect: string } = JSON.parse(await out.text())
    assert.equal(out.status, 200)
    assert.equal(browser.cookies(node).has('__Host-anchorage'), false)
    const replayed = await fetch(`${node}/v1/pins`, { headers: { cookie: `__Host-anchorage=${old}` } })
    assert.equal(replayed.status, 401)

    const page = await browser.go(redirect)
    const html = (await page.response?.text()) ?? ''
    const [, action = ''] = /action="([^"]+)"/.exec(html) ?? assert.fail(html)
    const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(html) ?? assert.fail(html)
    const back = await browser.submit(action, { xsrf, logout: 'yes' }, node)
    assert.equal(back.url, `${node}/`)
    const again = await browser.go(`${node}/v1/auth/login`)
    assert.match(again.url, /\/interaction\//, 'the provider asks who it is')
  })

  test('a session that ends at the provider ends here, over the back channel', async () => {
    const browser = await signedIn('alice')
    const bystander = await signedIn('alice')
    const issuer = await world.value('LOGIN_ISSUER')
    const html = (await (await browser.go(`${issuer}/session/end`)).response?.text()) ?? ''
    const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(html) ?? assert.fail(html)
    await browser.submit(`${issuer}/session/end/confirm`, { xsrf, logout: 'yes' })
    assert.equal(await statusOf(browser, '/v1/auth/session'), 401)
    assert.equal(await statusOf(bystander, '/v1/auth/session'), 200, 'another login of the same person stays')
  })

  test('no password, code, cookie or token of a login is in any log', async () => {
    await using debug = await World.start({ env: { ...env, ANCHORAGE_LOG_LEVEL: 'debug' } })
    const url = await debug.value('NODE_URL_1')
    const browser = new TestBrowser()
    const callback = await browser.logIn(
      url,
      'alice',
      await debug.value('LOGIN_PASSWORD'),
      `${url}/v1/auth/callback`,
    )
    const secrets = [...new URL(callback.url).searchParams].flatMap(([name, value]) =>
      name === 'iss' ? [] : [value],
    )
    secrets.push(browser.cookies(url).get('__Host-anchorage-login') ?? assert.fail())
    const { response } = await browser.go(callback.url)
    assert.equal(response?.status, 200)
    secrets.push(browser.cookies(url).get('__Host-anchorage') ?? assert.fail())
    const out = await browser.fetch(`${url}/v1/auth/logout`, { method: 'POST' })
    secrets.push(
      new URL(JSON.parse(await out.text()).redirect).searchParams.get('id_token_hint') ?? assert.fail(),
    )
    const logs = await debug.logs()
    assert.match(logs, /auth\/callback/)
    assert.equal(secrets.length, 5)
    for (const secret of secrets)
      assert.ok(!logs.includes(secret), `a secret of ${secret.length} characters was logged`)
  })
})
