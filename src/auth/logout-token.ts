import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import type { ServerMetadata } from 'openid-client'
import { AnchorageError } from '../core/errors.ts'
import type { ProviderLogout } from '../core/login.ts'
import type { Clock } from '../core/ports.ts'
import { clockToleranceSeconds } from './discovery.ts'
import { unreachable } from './oidc-errors.ts'

const event = 'http://schemas.openid.net/event/backchannel-logout'
const maxLength = 16_384
/** Tokens issued longer ago than this are refused, so used ones have to be remembered only this long. */
const maxAgeSeconds = 600
const fetchTimeoutMs = 5_000
/** Only algorithms with a private key. A token that is unsigned, or signed with the client's secret, is always refused. */
const asymmetric = /^(?:RS|PS|ES)(?:256|384|512)$|^Ed(?:DSA|25519)$/
const assumedAlgorithms = ['RS256']

/**
 * Reads logout tokens of one provider (OpenID Connect Back-Channel Logout 1.0, section 2.6). Rejects with `invalid` and the reason, or with
 * `unavailable` when the provider's keys cannot be read.
 */
export function logoutTokens(clientId: string, clock: Pick<Clock, 'now'>) {
  const keySets = new Map<string, JWTVerifyGetKey>()
  const keysOf = (uri: string): JWTVerifyGetKey => {
    const keys = keySets.get(uri) ?? createRemoteJWKSet(new URL(uri), { timeoutDuration: fetchTimeoutMs })
    keySets.clear()
    keySets.set(uri, keys)
    return keys
  }
  return async (token: string, provider: Readonly<ServerMetadata>): Promise<ProviderLogout> => {
    if (token.length > maxLength) throw refused('it is too long')
    if (provider.jwks_uri === undefined) throw refused('the provider publishes no keys to check it with')
    const supported = provider.id_token_signing_alg_values_supported ?? assumedAlgorithms
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keysOf(provider.jwks_uri), {
        algorithms: supported.filter((algorithm) => asymmetric.test(algorithm)),
        issuer: provider.issuer,
        audience: clientId,
        // `exp` is not required, since drafts of the standard did not have it. `maxTokenAge` bounds the age instead.
        requiredClaims: ['iat', 'jti', 'events'],
        maxTokenAge: maxAgeSeconds,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(clock.now()),
      })
      demandType(protectedHeader.typ)
      return contents(payload)
    } catch (error) {
      throw error instanceof AnchorageError ? error : refusal(error)
    }
  }
}

/** The standard recommends `typ` but does not require it. A token with another `typ` is not a logout token. */
function demandType(typ: unknown): void {
  if (typ === undefined || typ === 'JWT' || typ === 'logout+jwt' || typ === 'application/logout+jwt') return
  throw refused('its typ is not that of a logout token')
}

function contents(payload: JWTPayload): ProviderLogout {
  const { iss: issuer, sub, sid, jti, iat } = payload
  const events = payload['events']
  const about = typeof events === 'object' && events !== null ? Reflect.get(events, event) : undefined
  if (typeof about !== 'object' || about === null) throw refused('it has no logout event')
  // Otherwise an ID token could pass as a logout token.
  if (payload['nonce'] !== undefined) throw refused('it has a nonce')
  const subject = textOrNull(sub, 'sub')
  const providerSid = textOrNull(sid, 'sid')
  if (subject === null && providerSid === null) throw refused('it names neither a person nor a session')
  if (issuer === undefined || jti === undefined || iat === undefined) throw refused('a part of it is missing')
  const until = new Date((iat + maxAgeSeconds + 2 * clockToleranceSeconds) * 1000)
  return { issuer, subject, sid: providerSid, jti, until }
}

function textOrNull(claim: unknown, name: string): string | null {
  if (claim === undefined) return null
  if (typeof claim !== 'string' || claim === '') throw refused(`its ${name} is malformed`)
  return claim
}

function refusal(error: unknown): AnchorageError {
  if (error instanceof errors.JWTExpired) return refused('it has expired', error)
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('it has the wrong algorithm', error)
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refused('its signature does not match', error)
  if (error instanceof errors.JWKSNoMatchingKey) return refused('it was signed with an unknown key', error)
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(`its ${error.claim} is missing or wrong`, error)
  if (error instanceof errors.JWKSTimeout || error instanceof TypeError) return unreachable(error)
  return refused('it is malformed', error)
}

function refused(why: string, cause?: unknown): AnchorageError {
  return new AnchorageError('invalid', `the logout token is not valid: ${why}`, { cause })
}
