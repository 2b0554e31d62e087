import type { PinUseCases } from './pins.ts'
import type { Claim, Outcome } from './placement.ts'
import type { Bus, Ipfs } from './ports.ts'

/** What a trace gets to know of a request before it is handled. */
export interface RequestHead {
  method: string
  /** The pattern of the route. Not the path, since paths contain what clients name. */
  route: string
  /** The same id as in the log and in the answer. */
  requestId: string
  /** The client's header with its own trace (W3C Trace Context), not parsed. */
  traceparent: string | undefined
}

/** A request under way. */
export interface RequestSpan {
  /** Runs `work` so that everything it causes belongs to this request. */
  run<T>(work: () => T): T
  end(status: number): void
}

/** The tracing of a pin worker's attempts. */
export interface AttemptTrace {
  /** Runs one attempt, from its claim until its outcome is written, as part of the trace that its job came from. */
  attempt(claim: Claim, work: () => Promise<Outcome>): Promise<Outcome>
  /** Within an attempt: writes its outcome. */
  outcome<T>(write: () => Promise<T>): Promise<T>
}

/**
 * Traces what a request causes, on every node, up to the pin in Kubo and back. Each wrapper behaves as the thing it wraps, and changes
 * neither answers nor errors. A trace never contains what orgs name (CIDs, names, meta, origins, tokens).
 */
export interface Tracing {
  /** Null while nothing is traced; the same holds for `traceparent`. */
  request: ((head: RequestHead) => RequestSpan) | null
  /** The trace that the current code runs in, in W3C Trace Context format, to pass on; undefined when it runs in none. */
  traceparent: (() => string | undefined) | null
  pins(useCases: PinUseCases): PinUseCases
  /** Jobs carry the trace that they are part of. */
  bus(bus: Bus): Bus
  ipfs(ipfs: Ipfs): Ipfs
  attempts: AttemptTrace
}

/** Attempts without tracing. */
export const untracedAttempts: AttemptTrace = {
  attempt: (_claim, work) => work(),
  outcome: (write) => write(),
}
