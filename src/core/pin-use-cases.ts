import type { Pin, PinPage, PinQuery, PinRequest } from './pin.ts'
import type { Principal } from './token.ts'

/**
 * What an org can do with its pins. The caller checks the scopes. These use cases decide whose rows are visible: another org's pin, and a
 * `requestid` that is not a pin id, are `not_found`. All methods reject with `AnchorageError`; `unavailable` when Postgres cannot be asked.
 */
export interface PinUseCases {
  /**
   * Accepts a pin, which is durable once this resolves. `invalid` names the field; `over_quota` and `too_many` follow from the org's
   * limits.
   */
  create(principal: Principal, request: PinRequest): Promise<Pin>
  /** Removes pin `requestid` and accepts `request` in one step. When it rejects, the old pin is unchanged. */
  replace(principal: Principal, requestid: string, request: PinRequest): Promise<Pin>
  /** Removes a pin in any state. */
  remove(principal: Principal, requestid: string): Promise<void>
  get(principal: Principal, requestid: string): Promise<Pin>
  /** `signal` aborts when the client has gone. */
  list(principal: Principal, query: PinQuery, signal?: AbortSignal): Promise<PinPage>
}
