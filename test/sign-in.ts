/** The HTTP sides of nodes, with real sessions in a real Postgres and dev's identity provider, all in this process. */
import { randomBytes } from 'node:crypto'
import { loadConfig } from '../src/config/config.ts'
import { loginsOf } from '../src/app/logins.ts'
import type { TokenId } from '../src/core/ids.ts'
import { mintId } from '../src/core/ids.ts'
import { freePort } from '../src/dev/free-port.ts'
import { newIdentityKeys, type DevUser, type IdentityKeys } from '../src/dev/identities.ts'
import { clientId, startIdentityProvider } from '../src/dev/identity-provider.ts'
import { TestBrowser } from '../testing/clients/browser.ts'
import { testDatabase } from '../testing/servers/postgres.ts'
import { fakeServer, memoryLog, type FakePins } from '../testing/fakes/http-server.ts'
import { openStore, type Store } from '../src/store/store.ts'

export interface SignIn extends AsyncDisposable {
  /** The base URLs of two nodes. */
  nodes: [string, string]
  /** The calls that reached the use cases of each node. */
  pins: FakePins[]
  issuer: string
  keys: IdentityKeys
  /** Tests may change these: the provider's data on each person at the next login. */
  users: Record<string, DevUser>
  store: Store
  masterKey: Uint8Array
  /** Revoked tokens that the nodes were told of. */
  told: TokenId[]
  /** A browser in which `user` is logged in at the first node. */
  browser(user: string): Promise<TestBrowser>
  /** A browser that `user` has brought up to the callback, and the callback's URL. */
  untilCallback(user: string): Promise<{ browser: TestBrowser; callback: URL }>
  provider: { stop(): Promise<void>; start(): Promise<void> }
}

/** Two nodes, the orgs `dev` and `other`, and two people: alice (owner of `dev`, operator) and bob (member of `dev`). */
export async function signIn(flags: string[] = []): Promise<SignIn> {
  await using starting = new AsyncDisposableStack()
  const database = starting.use(await testDatabase())
  const store = starting.use(openStore({ ...database, log: memoryLog() }))
  for (const slug of ['dev', 'other']) await store.orgDirectory.createOrg(slug, {}, 'a test')
  const keys = newIdentityKeys()
  const users: Record<string, DevUser> = {
    alice: {
      name: 'Alice',
      email: 'alice@example.com',
      groups: ['anchorage:dev:owner', 'anchorage:operators', 'x'],
    },
    bob: { name: 'Bob', email: 'bob@example.com', groups: ['anchorage:dev:member'] },
  }
  const ports = [await freePort(), await freePort()]
  const nodes: [string, string] = [`http://127.0.0.1:${ports[0]}`, `http://127.0.0.1:${ports[1]}`]
  const port = await freePort()
  const say = () => undefined
  const start = async () => {
    const provider = await startIdentityProvider({ port, nodeUrls: nodes, users, keys, say })
    if (provider === null) throw new Error('oidc-provider is not installed')
    return provider
  }
  let provider: Awaited<ReturnType<typeof start>> | null = await start()
  const { issuer } = provider
  const stop = async () => {
    await provider?.[Symbol.asyncDispose]()
    provider = null
  }
  starting.defer(stop)

  const masterKey = randomBytes(32)
  const told: TokenId[] = []
  const argv = ['--oidc.issuer', issuer, '--oidc.client-id', clientId, ...flags]
  const needs = {
    config: loadConfig({ argv, env: { ANCHORAGE_OIDC_CLIENT_SECRET: keys.clientSecret } }),
    store,
    masterKey,
    announce: async ({ tokens }: { tokens: TokenId[] }) => void told.push(...tokens),
    log: memoryLog(),
  }
  const pins: FakePins[] = []
  for (const each of ports) {
    const server = fakeServer({ logins: await loginsOf(needs) })
    pins.push(server.pins)
    await server.app.listen({ host: '127.0.0.1', port: each })
    starting.defer(() => server.app.close())
  }
  const running = starting.move()
  return {
    nodes,
    pins,
    issuer,
    keys,
    users,
    store,
    masterKey,
    told,
    async browser(user) {
      const browser = new TestBrowser()
      const { response, url } = await browser.logIn(nodes[0], user, keys.password)
      if (response?.status !== 200) throw new Error(`${url}: ${response?.status} ${await response?.text()}`)
      await response.body?.cancel()
      return browser
    },
    async untilCallback(user) {
      const browser = new TestBrowser()
      const { url } = await browser.logIn(nodes[0], user, keys.password, `${nodes[0]}/v1/auth/callback`)
      return { browser, callback: new URL(url) }
    },
    provider: {
      stop,
      start: async () => {
        provider = await start()
      },
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** The status of an answer, and its error. */
export async function told(response: Response): Promise<{ status: number; details: string; reason: string }> {
  const text = await response.text()
  const { error }: { error?: { details: string; reason: string } } = text === '' ? {} : JSON.parse(text)
  return { status: response.status, details: error?.details ?? '', reason: error?.reason ?? '' }
}

/** An id that no session has. */
export const nobodysSession = mintId('ses')
