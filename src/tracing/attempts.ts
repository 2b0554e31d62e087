import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { AttemptTrace } from '../core/tracing.ts'
import type { Causes } from './causes.ts'
import type { Spans } from './spans.ts'

/** Traces each attempt of the pin worker as a span in the trace that its job came from. The span says how the attempt ended. */
export function tracedAttempts(spans: Spans, causes: Causes): AttemptTrace {
  return {
    attempt({ generation, attempt, work: what }, work) {
      const attributes = { 'anchorage.placement.generation': generation, 'anchorage.attempt': attempt }
      const span = spans.begin(
        `${what} a placement`,
        { kind: SpanKind.CONSUMER, attributes },
        causes.of(generation),
      )
      return spans.during(span, async () => {
        const outcome = await work()
        span.setAttribute('anchorage.outcome', outcome.kind)
        if ('errorCode' in outcome) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.errorCode })
        return outcome
      })
    },
    outcome: (write) => spans.below('write the outcome', {}, write),
  }
}
