import type { TokenView } from './ports.ts'
import type { Principal, Scope } from './token.ts'

/** A request for a new token, with at most one of `ttlMs` and `expiresAt`. */
export interface NewToken {
  name: string | null
  scopes: Scope[]
  ttlMs?: number
  expiresAt?: Date
}

/**
 * What an org's people and programs do with its tokens. The route checks that the caller has `tokens:manage`. With `org:admin` the caller
 * sees and ends all tokens of the org, otherwise only those it made.
 */
export interface TokenUseCases {
  /**
   * The secret is in this answer and nowhere else. `forbidden` for scopes that the caller does not have. `invalid` for an end in the past,
   * more than ten years ahead, or after the caller's own.
   */
  create(caller: Principal, request: NewToken): Promise<{ secret: string; token: TokenView }>
  /** Newest first. */
  list(caller: Principal, limit: number): Promise<TokenView[]>
  /**
   * Ends a token and the tokens that it made, for good. `not_found` when the caller may see no such token. Repeating it changes nothing.
   */
  revoke(caller: Principal, id: string): Promise<void>
}
