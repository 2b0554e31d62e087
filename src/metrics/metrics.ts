import type { ClusterMeasures } from '../core/measures.ts'
import type { Claim, Outcome } from '../core/placement.ts'
import type { Clock, PinStore } from '../core/ports.ts'
import { Instruments } from './instruments.ts'
import type { Measured, NodeView } from './node-view.ts'
import { samplesOf } from './samples.ts'

/**
 * Counts what one node does, and writes it as text for Prometheus. No method waits or fails, and nothing is kept for each request, pin or
 * org.
 */
export interface Metrics {
  /** A request was answered. */
  readonly answered: (answer: Answer) => void
  /** A limit refused a request or a connection; `limit` is its name, of which there are few. */
  readonly refused: (limit: string) => void
  /** Returns `store` with its accepting transactions counted and timed. */
  watched(store: PinStore): PinStore
  /** An attempt at a placement ended after `tookMs`. */
  readonly ended: (claim: Pick<Claim, 'ageMs'>, outcome: Outcome, tookMs: number) => void
  /** This node tried to renew its lease; the try ended `lateMs` after the renewal was due. */
  readonly renewed: (ok: boolean, lateMs: number) => void
  /** This node led, and its term ended. */
  readonly termEnded: (reason: 'stopped' | 'lost' | 'epoch' | 'database') => void
  /** How long the placement that waits longest on this node has been due, according to Postgres. */
  readonly queueMeasured: (oldestMs: number) => void
  /** The totals of the cluster, as its leader read them under `epoch`. */
  readonly clusterMeasured: (measures: ClusterMeasures, epoch: number) => void
  readonly contentType: string
  /** All families in Prometheus' text format. */
  text(view: NodeView): Promise<string>
}

/** An answer of the API. */
export interface Answer {
  method: string
  /** The pattern of the route, never its path. */
  route: string
  status: number
  ms: number
}

export function metrics(clock: Pick<Clock, 'now' | 'steadyMs'>): Metrics {
  const instruments = new Instruments()
  const measured: Measured = { queue: null, cluster: null }
  return {
    answered: ({ method, route, status, ms }) =>
      instruments.observe('anchorage_http_request_duration_seconds', ms / 1000, {
        method,
        route,
        status: String(status),
      }),
    refused: (limit) => instruments.count('anchorage_limit_refusals_total', { limit }),
    watched: (store) => ({
      ...store,
      acceptPins: (...given) => timed(instruments, given[1].length, store.acceptPins(...given)),
    }),
    ended(claim, outcome, tookMs) {
      const code = 'errorCode' in outcome ? outcome.errorCode : ''
      instruments.count('anchorage_attempts_total', { outcome: outcome.kind, code })
      if (outcome.kind !== 'pinned') return
      instruments.count('anchorage_pinned_bytes_total', {}, outcome.bytes)
      instruments.observe('anchorage_pin_duration_seconds', (claim.ageMs + tookMs) / 1000, {})
    },
    renewed(ok, lateMs) {
      instruments.count('anchorage_lease_renewals_total', { result: ok ? 'renewed' : 'failed' })
      if (ok) instruments.observe('anchorage_lease_renewal_late_seconds', lateMs / 1000, {})
    },
    termEnded: (reason) => instruments.count('anchorage_leader_terms_ended_total', { reason }),
    queueMeasured: (oldestMs) => void (measured.queue = { oldestMs, atSteadyMs: clock.steadyMs() }),
    clusterMeasured: (measures, epoch) => void (measured.cluster = { measures, epoch, atMs: clock.now() }),
    contentType: instruments.contentType,
    text: (view) => instruments.text(samplesOf(view, measured)),
  }
}

async function timed<T>(instruments: Instruments, pins: number, accepting: Promise<T>): Promise<T> {
  const startMs = performance.now()
  try {
    const accepted = await accepting
    instruments.observe('anchorage_accept_batch_pins', pins, {})
    return accepted
  } catch (error) {
    instruments.count('anchorage_accept_failures_total', {})
    throw error
  } finally {
    instruments.observe('anchorage_accept_duration_seconds', (performance.now() - startMs) / 1000, {})
  }
}
