import { strict as assert } from 'node:assert'
import { createServer } from 'node:http'
import { after, afterEach, before, beforeEach, suite, test } from 'node:test'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { apiOf } from '../../testing/clients/api.ts'
import { findChromium, startChromium } from '../chromium.ts'
import { freshBlocks } from '../../testing/content.ts'
import { patience } from '../../testing/patience.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

const executable = findChromium()
// on CI a missing Chromium fails, because a skipped check would go unnoticed there
const skip =
  executable === null && process.env.CI !== 'true'
    ? 'no Chromium is on the PATH: apt-get install chromium'
    : false
const cookieName = '__Host-anchorage'

export function browser(at: ClusterStage): void {
  suite('a person with a browser', { skip }, () => {
    let chromium: Browser
    let context: BrowserContext
    let page: Page
    let nodes: string[]
    let password: string
    /** Errors that the pages reported. */
    let complaints: string[]

    before(async () => {
      assert.ok(executable, 'no Chromium is on the PATH: apt-get install chromium')
      chromium = await startChromium(executable)
      nodes = await Promise.all(at.world.nodes.map((n) => at.world.value(`NODE_URL_${n}`)))
      password = await at.world.value('LOGIN_PASSWORD')
    })
    after(async () => {
      await chromium?.close()
    })
    beforeEach(async () => {
      context = await chromium.newContext()
      page = await context.newPage()
      page.setDefaultTimeout(patience.usualMs)
      complaints = []
      page.on('pageerror', (error) => complaints.push(String(error)))
      page.on('console', (message) => {
        // Chromium reports every refused request, such as the first one without a session. The provider's pages are not checked.
        const isRefusal = /status of 40[13]/.test(message.text())
        const isOurs = nodes.some((node) => message.location().url.startsWith(node))
        if (message.type() === 'error' && isOurs && !isRefusal) complaints.push(message.text())
      })
    })
    afterEach(async () => {
      await context.close()
      assert.deepEqual(complaints, [])
    })

    /** Signs in: from a node's page through the provider's form and back. */
    const signIn = async (user: string, node = nodes[0] ?? ''): Promise<void> => {
      await page.goto(node)
      await page.getByRole('link', { name: 'Sign in' }).click()
      await page.getByLabel('Who').selectOption(user)
      await page.getByLabel('Password').fill(password)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: 'Sign out' }).waitFor()
    }
    const cookie = async (): Promise<string> => {
      const found = (await context.cookies()).find(({ name }) => name === cookieName)
      return found?.value ?? assert.fail('the browser has no session cookie')
    }
    const statusByCookie = async (url: string, value: string): Promise<number> => {
      const response = await fetch(url, { headers: { cookie: `${cookieName}=${value}` } })
      await response.body?.cancel()
      return response.status
    }
    const makeToken = async (name: string): Promise<string> => {
      await page.getByLabel('Name', { exact: true }).fill(name)
      await page.getByRole('button', { name: 'Make the token' }).click()
      const secret = page.getByLabel('The new token')
      await secret.waitFor()
      return await secret.inputValue()
    }

    test('signs in, makes a token, pins with it, signs out; the old cookie is dead on every node', async () => {
      await signIn('bob')
      await page.getByText('bob@example.com').waitFor()
      await page.getByText('dev (member)').waitFor()
      const kept = (await context.cookies()).find(({ name }) => name === cookieName)
      assert.deepEqual(
        [kept?.httpOnly, kept?.secure, kept?.sameSite, kept?.path, kept?.domain],
        [true, true, 'Lax', '/', '127.0.0.1'],
      )
      assert.equal(await page.evaluate('document.cookie'), '')

      const token = await makeToken('from a browser')
      const [block] = await freshBlocks(1)
      assert.ok(block)
      await (await at.world.kubo()).put([block])
      const api = apiOf(`${nodes[1]}/v1`, token)
      const { requestid } = await api.post({ cid: block.cid, name: 'by a person' })
      await until('it is pinned', async () => (await api.get(requestid)).status === 'pinned')

      const old = await cookie()
      for (const node of nodes) assert.equal(await statusByCookie(`${node}/v1/pins`, old), 200)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.getByText('Sign out of the identity provider').waitFor()
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.getByRole('link', { name: 'Sign in' }).waitFor()
      assert.equal(page.url(), `${nodes[0]}/`)
      for (const node of nodes)
        for (const path of ['/v1/auth/session', '/v1/pins'])
          assert.equal(await statusByCookie(`${node}${path}`, old), 401, `${node}${path}`)
      assert.deepEqual(
        (await context.cookies()).filter(({ name }) => name.startsWith(cookieName)),
        [],
      )
      assert.equal((await api.get(requestid)).status, 'pinned', 'the token outlives the session')
      await page.getByRole('link', { name: 'Sign in' }).click()
      await page.getByLabel('Password').waitFor()
    })

    test('sees the secret of a new token once, sees the token listed without its secret, and ends the token', async () => {
      await signIn('bob')
      const name = '<img src=x onerror=alert(1)> "quoted"'
      const token = await makeToken(name)
      const api = apiOf(`${nodes[0]}/v1`, token)
      await api.list()
      await page.getByRole('button', { name: 'I have copied it' }).click()
      assert.ok(!(await page.content()).includes(token))
      await page.reload()
      await page.getByText(name, { exact: true }).waitFor()
      assert.ok(!(await page.content()).includes(token))
      assert.equal(await page.evaluate('localStorage.length + sessionStorage.length'), 0)

      await page.getByRole('button', { name: `End ${name}` }).click()
      await page.getByRole('button', { name: 'Keep it' }).click()
      await api.list()
      await page.getByRole('button', { name: `End ${name}` }).click()
      await page.getByRole('button', { name: 'End it' }).click()
      await page.getByText('is revoked').waitFor()
      for (const node of nodes) {
        const asked = () => apiOf(`${node}/v1`, token).send('GET', '/pins')
        await until('it is refused', async () => (await asked()).status === 401)
      }
    })

    test('sees that the org is suspended, why, and what that means for its tokens', async () => {
      await signIn('bob')
      await page.getByRole('button', { name: 'Make the token' }).waitFor()
      await at.world.anchorage('admin', 'suspend-org', 'dev', '--reason', 'the bill is open')
      try {
        await page.reload()
        await page.getByText('dev (member; suspended: the bill is open)').waitFor()
        await page
          .getByText('This org is suspended: until an operator resumes it, its tokens are refused')
          .waitFor()
        assert.ok(await page.getByRole('button', { name: 'Make the token' }).isHidden())
      } finally {
        await at.world.anchorage('admin', 'resume-org', 'dev')
      }
      // All nodes must know this before the next test pins.
      const token = await at.world.value('ANCHORAGE_TOKEN')
      for (const node of nodes) {
        const asked = () => apiOf(`${node}/v1`, token).send('GET', '/pins')
        await until('it is served again', async () => (await asked()).status === 200)
      }
    })

    test('needs no mouse', async () => {
      await page.goto(nodes[0] ?? '')
      await page.getByRole('link', { name: 'Sign in' }).waitFor()
      await focusByTab('Sign in')
      await page.keyboard.press('Enter')
      await page.getByLabel('Password').fill(password)
      await page.keyboard.press('Enter')
      await page.getByRole('button', { name: 'Sign out' }).waitFor()
      await page.getByLabel('Name', { exact: true }).waitFor()
      await focusByTab('Name')
      await page.keyboard.type('by keys')
      await page.keyboard.press('Enter')
      await page.getByLabel('The new token').waitFor()
      await focusByTab('I have copied it')
      await page.keyboard.press('Space')
      await page.getByRole('button', { name: 'End by keys' }).waitFor()
      await focusByTab('End by keys')
      await page.keyboard.press('Enter')
      const dialog = page.getByRole('dialog')
      await dialog.waitFor()
      await page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'hidden' })
      // The focus has returned to the button.
      await page.keyboard.press('Enter')
      await dialog.waitFor()
      await focusByTab('End it')
      await page.keyboard.press('Enter')
      await page.getByText('by keys is revoked').waitFor()
    })

    test('sees its sessions and ends another one', async () => {
      await signIn('bob')
      const other = await cookie()
      await context.clearCookies()
      await signIn('bob')
      assert.notEqual(await cookie(), other)
      assert.equal(await statusByCookie(`${nodes[2]}/v1/auth/session`, other), 200)
      const list = page.getByRole('list').filter({ hasText: 'this browser' })
      await list.waitFor()
      for (let left = await list.getByRole('button').count(); left > 0; left--) {
        await list.getByRole('button').first().click()
        await page.getByRole('button', { name: 'End it' }).click()
        await until('one less is listed', async () => (await list.getByRole('button').count()) === left - 1)
      }
      for (const node of nodes) assert.equal(await statusByCookie(`${node}/v1/auth/session`, other), 401)
      assert.equal(await statusByCookie(`${nodes[0]}/v1/auth/session`, await cookie()), 200)
    })

    test('cannot be made to act by a page of another site, or by a page of another port on the same host', async () => {
      await signIn('bob')
      await makeToken('before')
      await page.getByRole('button', { name: 'End before' }).waitFor()
      const tokensBefore = await page.getByRole('button', { name: /^End / }).count()
      const mine = await cookie()
      const target = nodes[0] ?? ''
      const evil = createServer((_request, response) => {
        response.setHeader('content-type', 'text/html')
        response.end(`<!doctype html><title>evil</title>
<form method="post" action="${target}/v1/auth/logout"><button>win</button></form>
<script>
const more = { method: 'POST', mode: 'no-cors', credentials: 'include' }
const read = { credentials: 'include' }
Promise.allSettled([
  fetch('${target}/v1/auth/logout', more),
  fetch('${target}/v1/tokens', { ...more, body: '{"scopes":["pins:read"]}' }),
  fetch('${target}/v1/tokens', { ...more, mode: 'cors', headers: { 'content-type': 'application/json' }, body: '{"scopes":["pins:read"]}' }),
  fetch('${target}/v1/auth/session', read).then((answer) => answer.text()),
  fetch('${target}/v1/pins', read).then((answer) => answer.text()),
]).then((all) => { window.outcomes = all.map(({ value }) => typeof value === 'string' ? value : 'nothing read') })
</script>`)
      })
      await new Promise<void>((resolve) => void evil.listen(0, '127.0.0.1', resolve))
      const { port } = evil.address() as AddressInfo
      try {
        // the cookie is sent to another port of the same host, and not to another host: neither page may change anything
        for (const host of ['127.0.0.1', 'localhost']) {
          const tab = await context.newPage()
          await tab.goto(`http://${host}:${port}/`)
          await tab.waitForFunction('window.outcomes !== undefined')
          const outcomes = await tab.evaluate('window.outcomes')
          assert.deepEqual(
            outcomes,
            Array.from({ length: 5 }, () => 'nothing read'),
          )
          await tab.getByRole('button', { name: 'win' }).click()
          await tab.waitForURL(`${target}/v1/auth/logout`)
          assert.doesNotMatch(await tab.content(), /redirect/)
          await tab.close()
        }
      } finally {
        evil.close()
        evil.closeAllConnections()
      }
      assert.equal(await statusByCookie(`${target}/v1/auth/session`, mine), 200, 'it is still signed in')
      await page.reload()
      await page.getByRole('button', { name: 'Sign out' }).waitFor()
      await page.getByRole('button', { name: 'End before' }).waitFor()
      assert.equal(await page.getByRole('button', { name: /^End / }).count(), tokensBefore)
    })

    /** Presses Tab until the element with this name has the focus, as a person without a mouse would. */
    async function focusByTab(name: string): Promise<void> {
      for (let presses = 0; presses < 60; presses++) {
        const label = await page.evaluate(
          `(() => { const at = document.activeElement; return at.ariaLabel ?? at.labels?.[0]?.textContent ?? at.textContent })()`,
        )
        if (String(label).trim() === name) return
        await page.keyboard.press('Tab')
      }
      assert.fail(`Tab does not lead to ${name}`)
    }
  })
}
