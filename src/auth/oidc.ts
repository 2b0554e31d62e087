import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  calculatePKCECodeChallenge,
  type Configuration,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type IDToken,
} from 'openid-client'
import { AnchorageError } from '../core/errors.ts'
import type { IdentityProvider } from '../core/login-ports.ts'
import type { Clock } from '../core/ports.ts'
import { discovered, type OidcClient } from './discovery.ts'
import { missingClaims, personIn, type ClaimNames } from './identity.ts'
import { logoutTokens } from './logout-token.ts'
import { failedLogin } from './oidc-errors.ts'

export interface OidcOptions extends OidcClient {
  /** `openid`, and the scopes that make the provider send the claims. */
  scopes: readonly string[]
  claims: ClaimNames
  clock: Pick<Clock, 'now' | 'steadyMs'>
}

/** A longer ID token is not sent as a hint: a person in hundreds of groups has a long one, and servers accept URLs of about 8 KiB. */
const maxHintLength = 4096

/** The client side of an OpenID Connect provider: the code flow, with PKCE (S256), state and nonce at every login. */
export function oidcProvider(options: OidcOptions): IdentityProvider {
  const { clientId, scopes, claims, clock } = options
  const provider = discovered(options, clock)
  const readLogoutToken = logoutTokens(clientId, clock)
  return {
    async begin(redirectUri) {
      const config = await provider()
      const secrets = {
        state: randomState(),
        nonce: randomNonce(),
        verifier: randomPKCECodeVerifier(),
        redirectUri,
      }
      const url = buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: scopes.join(' '),
        state: secrets.state,
        nonce: secrets.nonce,
        code_challenge: await calculatePKCECodeChallenge(secrets.verifier),
        code_challenge_method: 'S256',
      })
      return { url: url.href, secrets }
    },
    async finish(query, secrets) {
      const config = await provider()
      const answer = new URL(secrets.redirectUri)
      answer.search = query
      try {
        const tokens = await authorizationCodeGrant(config, answer, {
          expectedState: secrets.state,
          expectedNonce: secrets.nonce,
          pkceCodeVerifier: secrets.verifier,
          idTokenExpected: true,
        })
        const said = tokens.claims()
        if (said === undefined || tokens.id_token === undefined)
          throw new AnchorageError('unauthenticated', 'the identity provider did not say who this is')
        const all = await withUserInfo(config, tokens.access_token, said, claims)
        return {
          issuer: said.iss,
          subject: said.sub,
          ...personIn(all, claims),
          sid: typeof said['sid'] === 'string' ? said['sid'] : null,
          idToken: tokens.id_token,
        }
      } catch (error) {
        throw failedLogin(error)
      }
    },
    async logoutUrl(idToken, returnTo) {
      const config = await provider()
      if (config.serverMetadata().end_session_endpoint === undefined) return null
      // Without the hint the provider asks the person first; that is better than a URL that is too long for it.
      const hint: Record<string, string> = idToken.length > maxHintLength ? {} : { id_token_hint: idToken }
      return buildEndSessionUrl(config, { ...hint, post_logout_redirect_uri: returnTo }).href
    },
    readLogoutToken: async (token) => await readLogoutToken(token, (await provider()).serverMetadata()),
  }
}

/** Many providers return some claims only at the userinfo endpoint and not in the ID token, so it is asked when one is missing. */
async function withUserInfo(
  config: Configuration,
  accessToken: string,
  said: IDToken,
  names: ClaimNames,
): Promise<Record<string, unknown>> {
  const missing = missingClaims(said, names)
  if (missing.length === 0 || config.serverMetadata().userinfo_endpoint === undefined) return said
  return { ...(await fetchUserInfo(config, accessToken, said.sub)), ...said }
}
