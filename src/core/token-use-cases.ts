import type { TokenView } from './ports.ts'
import type { Principal, Scope } from './token.ts'

/** A token that somebody wants: at most one of `ttlMs` and `expiresAt`. */
export interface NewToken {
  name: string | null
  scopes: Scope[]
  ttlMs?: number
  expiresAt?: Date
}

/**
 * What an org's people and programs do with its tokens. Whether the caller has `tokens:manage` is the route's business; with `org:admin`
 * it sees and ends all of the org's tokens, else those that it made.
 */
export interface TokenUseCases {
  /**
   * The secret is in this answer and nowhere else. `forbidden` for scopes that the caller does not have; `invalid` for an end in the past, more
   * than ten years ahead, or after the caller's own.
   */
  create(caller: Principal, request: NewToken): Promise<{ secret: string; token: TokenView }>
  /** Newest first. */
  list(caller: Principal, limit: number): Promise<TokenView[]>
  /** Ends a token, and those that it made, for good. `not_found` when there is none that the caller may see. Repeating it changes nothing. */
  revoke(caller: Principal, id: string): Promise<void>
}
