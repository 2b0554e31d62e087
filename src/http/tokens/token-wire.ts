/** Converts tokens to JSON, both for HTTP and for `--json`. */
import type { TokenView } from '../../core/token.ts'
import type { NewToken as CoreNewToken } from '../../core/tokens.ts'
import { instantMs } from '../spec/instant.ts'
import type { NewToken, Token } from './schema.ts'

export function tokenWire(token: TokenView): Token {
  const { id, name, scopes, createdBy, createdAt, expiresAt, lastUsedAt, revokedAt, endedBy } = token
  return {
    id,
    name,
    scopes,
    createdBy,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    lastUsedAt: lastUsedAt === null ? null : lastUsedAt.toISOString(),
    revokedAt: revokedAt === null ? null : revokedAt.toISOString(),
    endedBy,
  }
}

/** The token that a validated body asks for. */
export function newToken({ name, scopes, ttlSeconds, expiresAt }: NewToken): CoreNewToken {
  return {
    name: name ?? null,
    scopes,
    ...(ttlSeconds !== undefined && { ttlMs: ttlSeconds * 1000 }),
    ...(expiresAt !== undefined && { expiresAt: new Date(instantMs(expiresAt) ?? NaN) }),
  }
}
