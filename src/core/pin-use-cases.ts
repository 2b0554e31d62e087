import type { Pin, PinPage, PinQuery, PinRequest } from './pin.ts'
import type { Principal } from './token.ts'

/**
 * What an org can do with its pins. Scopes are the caller's business; whose rows are seen is not: another org's pin,
 * and a `requestid` that is no pin id at all, are `not_found`.
 * All reject with `AnchorageError`; `unavailable` when Postgres cannot be asked.
 */
export interface PinUseCases {
  /** Accepts a pin: on resolving it is durable. `invalid` names the field; `over_quota` and `too_many` as the org's limits say. */
  create(principal: Principal, request: PinRequest): Promise<Pin>
  /** Removes pin `requestid` and accepts `request` in one step; when it rejects, the old pin stands as it was. */
  replace(principal: Principal, requestid: string, request: PinRequest): Promise<Pin>
  /** Removes a pin in any state. */
  remove(principal: Principal, requestid: string): Promise<void>
  get(principal: Principal, requestid: string): Promise<Pin>
  /** `signal`: whoever asked has gone. */
  list(principal: Principal, query: PinQuery, signal?: AbortSignal): Promise<PinPage>
}
