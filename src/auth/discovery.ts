import {
  allowInsecureRequests,
  clockTolerance,
  ClientSecretBasic,
  ClientSecretPost,
  type ClientAuth,
  type Configuration,
  discovery,
  enableNonRepudiationChecks,
  None,
} from 'openid-client'
import type { SteadyClock } from '../core/ports.ts'
import { unreachable } from './oidc-errors.ts'

/** The provider's metadata is read again once it is older than this. */
const maxAgeMs = 3_600_000
/** After a failure the provider is not asked again for this long, since any stranger can start a login. */
const pauseMs = 1_000
const timeoutSeconds = 5
/** How far apart the clocks of the provider and this node may be. */
export const clockToleranceSeconds = 30

/** How a client shows its secret to the provider. */
export const clientAuthentications = ['client_secret_post', 'client_secret_basic'] as const

export interface OidcClient {
  /** Spelled exactly as the provider spells it, with or without a slash at the end. */
  issuer: string
  clientId: string
  /** Null: a public client, which PKCE alone protects. */
  clientSecret: string | null
  /** The method to use when the provider accepts both. */
  clientAuthentication: (typeof clientAuthentications)[number]
}

/**
 * Returns a function that gives the provider's metadata (OpenID Connect Discovery 1.0). The metadata is read at the first call and
 * remembered. The function rejects with `unavailable` while the metadata cannot be read and none is remembered. So a provider that is down
 * does not keep a node from starting.
 */
export function discovered(
  client: OidcClient,
  clock: Pick<SteadyClock, 'steadyMs'>,
): () => Promise<Configuration> {
  let known: Configuration | null = null
  let readAtMs = -Infinity
  let failure: { error: unknown; atMs: number } | null = null
  let reading: Promise<void> | null = null

  const read = async () => {
    try {
      known = await discover(client)
      readAtMs = clock.steadyMs()
      failure = null
    } catch (error) {
      failure = { error, atMs: clock.steadyMs() }
    }
  }
  return async () => {
    const nowMs = clock.steadyMs()
    const isYoung = known !== null && nowMs - readAtMs < maxAgeMs
    if (!isYoung && (failure === null || nowMs - failure.atMs >= pauseMs)) {
      reading ??= read().finally(() => (reading = null))
      await reading
    }
    if (known === null) throw unreachable(failure?.error)
    return known
  }
}

async function discover(client: OidcClient): Promise<Configuration> {
  const { issuer, clientId } = client
  const server = new URL(issuer)
  const metadata = { [clockTolerance]: clockToleranceSeconds }
  const plain = server.protocol === 'http:' ? [allowInsecureRequests] : []
  return await discovery(server, clientId, metadata, authentication(client), {
    timeout: timeoutSeconds,
    // ID tokens come directly from the provider; their signatures are checked nevertheless.
    execute: [...plain, enableNonRepudiationChecks],
  })
}

/** If the provider supports only one of the two methods, uses that one; otherwise the configured one. */
function authentication({ clientSecret, clientAuthentication }: OidcClient): ClientAuth {
  if (clientSecret === null) return None()
  const methods = {
    client_secret_basic: ClientSecretBasic(clientSecret),
    client_secret_post: ClientSecretPost(clientSecret),
  }
  return (server, client, body, headers) => {
    // A provider that lists no methods supports basic (OpenID Connect Discovery 1.0, section 3).
    const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const only = clientAuthentications.filter((method) => supported.includes(method))
    const method = only.length === 1 && only[0] !== undefined ? only[0] : clientAuthentication
    methods[method](server, client, body, headers)
  }
}
