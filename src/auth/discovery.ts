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
import type { Clock } from '../core/ports.ts'
import { unreachable } from './oidc-errors.ts'

/** What a provider says of itself is read again after this long. */
const maxAgeMs = 3_600_000
/** After a failure the provider is left alone for this long: anybody can ask for a login. */
const pauseMs = 1_000
const timeoutSeconds = 5
/** How far the clocks of provider and node may be apart. */
export const clockToleranceSeconds = 30

/** How a client shows its secret to the provider. */
export const clientAuthentications = ['client_secret_post', 'client_secret_basic'] as const

export interface OidcClient {
  /** As the provider writes it, slash at the end or not. */
  issuer: string
  clientId: string
  /** Null: a public client, which PKCE alone protects. */
  clientSecret: string | null
  /** Where the provider takes both. */
  clientAuthentication: (typeof clientAuthentications)[number]
}

/**
 * The provider as it describes itself (OpenID Connect Discovery 1.0), read when first asked for and remembered. Rejects `unavailable` while it
 * cannot be read and nothing is remembered: so a provider that is away keeps no node from starting.
 */
export function discovered(client: OidcClient, clock: Pick<Clock, 'now'>): () => Promise<Configuration> {
  let known: Configuration | null = null
  let readAtMs = -Infinity
  let failure: { error: unknown; atMs: number } | null = null
  let reading: Promise<void> | null = null

  const read = async () => {
    try {
      known = await discover(client)
      readAtMs = clock.now()
      failure = null
    } catch (error) {
      failure = { error, atMs: clock.now() }
    }
  }
  return async () => {
    const nowMs = clock.now()
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
    // ID tokens come straight from the provider, and their signatures are checked all the same.
    execute: [...plain, enableNonRepudiationChecks],
  })
}

/** As the provider can, where it takes only one of the two; else as the config says. */
function authentication({ clientSecret, clientAuthentication }: OidcClient): ClientAuth {
  if (clientSecret === null) return None()
  const methods = {
    client_secret_basic: ClientSecretBasic(clientSecret),
    client_secret_post: ClientSecretPost(clientSecret),
  }
  return (server, client, body, headers) => {
    // What says nothing takes basic (OpenID Connect Discovery 1.0, section 3).
    const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const only = clientAuthentications.filter((method) => supported.includes(method))
    const method = only.length === 1 && only[0] !== undefined ? only[0] : clientAuthentication
    methods[method](server, client, body, headers)
  }
}
