import { SignJWT, decodeJwt, errors, jwtVerify } from 'jose'
import { AnchorageError } from '../core/errors.ts'
import { parseId } from '../core/ids.ts'
import type { OrgId, TokenId } from '../core/ids.ts'
import { scopes as knownScopes } from '../core/token.ts'
import type { ApiToken, Scope } from '../core/token.ts'

const algorithm = 'HS256'
const typ = 'anchorage-token+jwt'
const issuer = 'anchorage'
const audience = 'anchorage-api'
/** The tokens that we sign have about 500 characters. */
const maxTokenLength = 4096
/** Checked here, since base64 decoders ignore blanks. */
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]*$/

/** The content of a token whose signature, type and claims have been verified. */
export interface TokenClaims {
  tokenId: TokenId
  orgId: OrgId
  kid: string
  scopes: ReadonlySet<Scope>
  expiresAtMs: number
}

/** The bearer text of `token`, signed with the secret of its key. */
export function signToken(token: ApiToken, secret: Uint8Array): Promise<string> {
  return new SignJWT({ org: token.orgId, scopes: token.scopes })
    .setProtectedHeader({ alg: algorithm, typ, kid: token.keyId })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(token.orgId)
    .setJti(token.id)
    .setExpirationTime(token.expiresAt)
    .sign(secret)
}

/**
 * Verifies `bearer` and returns its claims. Throws `unauthenticated` with the reason when it is not one of our tokens or has expired;
 * errors of `secretOf` are passed on. `kid` is used only as the argument of `secretOf`.
 */
export async function readToken(
  bearer: string,
  secretOf: (kid: string) => Promise<Uint8Array | null>,
  nowMs: number,
): Promise<TokenClaims> {
  if (bearer.length > maxTokenLength) throw refused('it is too long')
  if (!compactForm.test(bearer)) throw refused('it is malformed')
  try {
    const { payload, protectedHeader } = await jwtVerify(bearer, (header) => keyFor(header.kid, secretOf), {
      algorithms: [algorithm],
      typ,
      issuer,
      audience,
      requiredClaims: ['exp', 'jti', 'sub', 'org', 'scopes'],
      currentDate: new Date(nowMs),
    })
    return {
      tokenId: parseId('tok', text(payload.jti)),
      orgId: parseId('org', text(payload['org'])),
      kid: text(protectedHeader.kid),
      scopes: scopesOf(payload['scopes'], payload.sub),
      expiresAtMs: (payload.exp ?? 0) * 1000,
    }
  } catch (error) {
    throw error instanceof AnchorageError && error.code !== 'invalid' ? error : refusal(error)
  }
}

/**
 * The id that a token claims to have, to find out which token is meant. Neither its signature nor its other claims are checked. Null when
 * it is not one of our tokens.
 */
export function tokenIdIn(bearer: string): TokenId | null {
  if (bearer.length > maxTokenLength || !compactForm.test(bearer)) return null
  try {
    return parseId('tok', text(decodeJwt(bearer).jti))
  } catch {
    return null
  }
}

async function keyFor(
  kid: unknown,
  secretOf: (kid: string) => Promise<Uint8Array | null>,
): Promise<Uint8Array> {
  const secret = await secretOf(text(kid))
  if (secret === null) throw refused('it was signed with an unknown key')
  return secret
}

/** Scopes that only a later version knows are left out: they allow nothing here. */
function scopesOf(claim: unknown, subject: unknown): ReadonlySet<Scope> {
  if (!Array.isArray(claim) || text(subject) === '') throw refused('a claim is malformed')
  return new Set(knownScopes.filter((scope) => claim.includes(scope)))
}

function text(claim: unknown): string {
  if (typeof claim !== 'string') throw refused('a part of it is missing')
  return claim
}

function refusal(error: unknown): AnchorageError {
  if (error instanceof errors.JWTExpired) return refused('it has expired; mint a new one', error)
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('it has the wrong algorithm', error)
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refused('its signature does not match', error)
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused(`its ${error.claim} is missing or wrong`, error)
  }
  return refused('it is malformed', error)
}

function refused(why: string, cause?: unknown): AnchorageError {
  return new AnchorageError('unauthenticated', `the access token is not valid: ${why}`, { cause })
}
