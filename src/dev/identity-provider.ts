import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { ClientMetadata, Configuration, Provider } from 'oidc-provider'
import type { DevUser, IdentityKeys } from './identities.ts'
import { identityMemory } from './identity-memory.ts'
import { escaped } from '../http/escaped.ts'
import { contentPolicy, loginPage, logoutPage, page } from './identity-pages.ts'

export const clientId = 'anchorage'

export interface IdentityProviderOptions {
  port: number
  /** The base URLs of the nodes, as browsers reach them; logouts are sent to the first one. */
  nodeUrls: readonly string[]
  users: Record<string, DevUser>
  keys: IdentityKeys
  /** Reports things that a person may want to know, such as a logout that could not be sent to a node. */
  say: (line: string) => void
}

export interface RunningIdentityProvider extends AsyncDisposable {
  issuer: string
}

/**
 * A real OpenID Connect provider (panva's `oidc-provider`) on loopback, which keeps its state in memory. Null when that package, a development
 * dependency, is not installed.
 */
export async function startIdentityProvider(
  options: IdentityProviderOptions,
): Promise<RunningIdentityProvider | null> {
  const library = await import('oidc-provider').catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })
  if (library === null) return null
  const issuer = `http://127.0.0.1:${options.port}`
  const provider = new library.default(issuer, configuration(options))
  provider.on('backchannel.error', (_ctx, error) =>
    options.say(`a node could not be notified of a logout: ${error.message}`),
  )
  provider.on('server_error', (_ctx, error) => options.say(`the identity provider: ${String(error)}`))
  const serve = provider.callback()
  const login = loginForm(provider, options)
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/interaction/')) void login(request, response)
    else void serve(request, response)
  })
  server.listen({ host: '127.0.0.1', port: options.port })
  await once(server, 'listening')
  return {
    issuer,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}

function configuration({ nodeUrls, users, keys }: IdentityProviderOptions): Configuration {
  const day = 86_400
  return {
    adapter: identityMemory(),
    clients: [ourClient(nodeUrls, keys)],
    jwks: { keys: [{ ...keys.jwk, use: 'sig', alg: 'RS256', kid: 'dev' }] },
    cookies: { keys: [keys.cookieKey] },
    claims: { openid: ['sub', 'sid'], profile: ['name'], email: ['email'], groups: ['groups'] },
    pkce: { required: () => true },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      IdToken: 3600,
      Interaction: 3600,
      Session: day,
      Grant: day,
    },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        logoutSource: (ctx, form) => void (ctx.body = logoutPage(form)),
        postLogoutSuccessSource: (ctx) => void (ctx.body = page('Signed out', '')),
      },
    },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    findAccount(_ctx, subject) {
      const user = users[subject]
      return user && { accountId: subject, claims: () => ({ sub: subject, ...user }) }
    },
    loadExistingGrant: grantAll,
    renderError(ctx, { error, error_description: details }) {
      ctx.type = 'html'
      ctx.body = page('That did not work', `<p>${escaped(`${error}: ${details ?? ''}`)}</p>`)
    },
    // The library's own fetch reaches public addresses only.
    fetch: (url, { dispatcher: _none, ...rest }: RequestInit & { dispatcher?: unknown } = {}) =>
      fetch(url, rest),
  }
}

function ourClient(nodeUrls: readonly string[], keys: IdentityKeys): ClientMetadata {
  const origins = nodeUrls.flatMap((url) => [url, url.replace('127.0.0.1', 'localhost')])
  const told =
    nodeUrls[0] === undefined ? {} : { backchannel_logout_uri: `${nodeUrls[0]}/v1/auth/backchannel-logout` }
  return {
    client_id: clientId,
    client_secret: keys.clientSecret,
    token_endpoint_auth_method: 'client_secret_post',
    redirect_uris: origins.map((origin) => `${origin}/v1/auth/callback`),
    post_logout_redirect_uris: origins.map((origin) => `${origin}/`),
    ...told,
    backchannel_logout_session_required: true,
  }
}

/** The only client is ours, so users are not asked whether it may have what it asks for. */
const grantAll: Configuration['loadExistingGrant'] = async ({
  oidc: { provider, client, session, params },
}) => {
  const { accountId } = session ?? {}
  if (client === undefined || accountId === undefined) return undefined
  const grant = new provider.Grant({ clientId: client.clientId, accountId })
  grant.addOIDCScope(String(params?.['scope']))
  await grant.save()
  return grant
}

/** `GET` shows the form, `POST` submits it. */
function loginForm(provider: Provider, { users, keys }: IdentityProviderOptions) {
  const show = (response: ServerResponse, status: number, html: string) => {
    response.writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': contentPolicy,
      'cache-control': 'no-store',
    })
    response.end(html)
  }
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const { uid } = await provider.interactionDetails(request, response)
      const form = request.method === 'POST' ? new URLSearchParams(await text(request)) : null
      const user = form?.get('user') ?? ''
      if (form !== null && user in users && isPassword(form.get('password') ?? '', keys.password)) {
        const result = { login: { accountId: user } }
        return await provider.interactionFinished(request, response, result, {
          mergeWithLastSubmission: false,
        })
      }
      const problem = form === null ? null : 'That is not the password that anchorage dev printed.'
      show(
        response,
        problem === null ? 200 : 403,
        loginPage(`/interaction/${uid}`, { users: Object.keys(users), problem }),
      )
    } catch {
      show(
        response,
        400,
        page(
          'Sign in',
          '<p>This login took too long, or was started in another browser. Start it again.</p>',
        ),
      )
    }
  }
}

function isPassword(given: string, password: string): boolean {
  return (
    given.length === password.length &&
    timingSafeEqual(Buffer.from(given.padEnd(64)), Buffer.from(password.padEnd(64)))
  )
}
