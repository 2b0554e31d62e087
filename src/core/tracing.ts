import type { PinUseCases } from './pin-use-cases.ts'
import type { Claim, Outcome } from './placement.ts'
import type { Bus, Ipfs } from './ports.ts'

/** What a trace is told of a request before it is handled. */
export interface RequestHead {
  method: string
  /** The pattern of its route: no path, which holds what clients name. */
  route: string
  /** As the log and the answer have it. */
  requestId: string
  /** What the client says that it is part of (W3C Trace Context), unread. */
  traceparent: string | undefined
}

/** A request under way. */
export interface RequestSpan {
  /** Runs `work` so that whatever it causes belongs to this request. */
  run<T>(work: () => T): T
  end(status: number): void
}

/** What a pin worker has followed. */
export interface AttemptTrace {
  /** Runs one attempt as part of what its job came from, from its claim until its outcome is written. */
  attempt(claim: Claim, work: () => Promise<Outcome>): Promise<Outcome>
  /** Within an attempt: writes its outcome. */
  outcome<T>(write: () => Promise<T>): Promise<T>
}

/**
 * Follows what a request causes, on every node, to the pin in Kubo and back. Each of these behaves as what it is given, and changes neither
 * answers nor errors. What tenants name (CIDs, names, meta, origins, tokens) is not told to a trace.
 */
export interface Tracing {
  /** Null while nothing is traced, as the next. */
  request: ((head: RequestHead) => RequestSpan) | null
  /** What code runs within now, as W3C Trace Context writes it, for whoever else goes on with it; undefined within no trace. */
  traceparent: (() => string | undefined) | null
  pins(useCases: PinUseCases): PinUseCases
  /** Jobs carry along what they are part of. */
  bus(bus: Bus): Bus
  ipfs(ipfs: Ipfs): Ipfs
  attempts: AttemptTrace
}

/** Attempts that nobody follows. */
export const untracedAttempts: AttemptTrace = {
  attempt: (_claim, work) => work(),
  outcome: (write) => write(),
}
