import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client'
import { AnchorageError } from '../core/errors.ts'

/** The provider could not be reached, or something else answered in its place. */
const awayCodes = new Set([
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
])
const busyErrors = new Set(['server_error', 'temporarily_unavailable'])
const again = 'start again at /v1/auth/login'

/** The error for a provider that cannot be asked. */
export function unreachable(cause: unknown): AnchorageError {
  if (cause instanceof AnchorageError) return cause
  return new AnchorageError(
    'unavailable',
    'the identity provider cannot be reached at the moment; try again',
    { cause },
  )
}

/** The error for a failed login, in words for the person who tried it. */
export function failedLogin(cause: unknown): AnchorageError {
  if (cause instanceof AnchorageError) return cause
  if (cause instanceof AuthorizationResponseError) {
    if (busyErrors.has(cause.error)) return unreachable(cause)
    return new AnchorageError(
      'forbidden',
      `the identity provider refused the login: ${spoken(cause.error)}`,
      {
        cause,
      },
    )
  }
  if (cause instanceof ResponseBodyError && cause.error === 'invalid_grant') {
    const message = `the code of this login was used before, is too old, or belongs to another login: ${again}`
    return new AnchorageError('unauthenticated', message, { cause })
  }
  if (cause instanceof WWWAuthenticateChallengeError || cause instanceof ResponseBodyError) {
    const message =
      'the identity provider does not accept this service as its client; the operator must check ' +
      'oidc.clientId and oidc.clientSecret'
    return new AnchorageError('unavailable', message, { cause })
  }
  if (isAway(cause)) return unreachable(cause)
  return new AnchorageError(
    'unauthenticated',
    `this answer does not belong to the login that this browser started: ${again}`,
    { cause },
  )
}

/** `fetch` throws a `TypeError` when it cannot reach the server. */
function isAway(cause: unknown): boolean {
  return cause instanceof ClientError ? awayCodes.has(cause.code ?? '') : cause instanceof TypeError
}

/** The error code came through the browser, so it may be any text. */
function spoken(error: string): string {
  return /^[a-z_]{1,40}$/.test(error) ? error : 'it gave no reason'
}
