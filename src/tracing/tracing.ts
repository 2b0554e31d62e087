import { setTimeout as delay } from 'node:timers/promises'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { Tracing } from '../core/tracing.ts'
import { tracedAttempts } from './attempts.ts'
import { Causes } from './causes.ts'
import { tracerProvider, type TracingOptions } from './exporter.ts'
import { tracedBus, tracedIpfs, tracedPins } from './parts.ts'
import { Spans } from './spans.ts'
import { readTraceparent } from './traceparent.ts'

const flushMs = 3_000

/**
 * Sends traces to an OTLP/HTTP collector. Nothing is sent before there is something to send. The log reports a collector that cannot be
 * reached.
 */
export function openTracing(options: TracingOptions): Tracing & AsyncDisposable {
  const provider = tracerProvider(options)
  const spans = new Spans(provider.getTracer('anchorage', options.service.version))
  const causes = new Causes()
  return {
    request({ method, route, requestId, traceparent }) {
      // A stranger's trace is linked, not continued: otherwise the stranger could choose our trace ids, and what is sampled.
      const client = readTraceparent(traceparent)
      const span = spans.begin(`${method} ${route}`, {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': method,
          'http.route': route,
          'anchorage.request.id': requestId,
        },
        links: client === undefined ? [] : [{ context: client }],
      })
      return {
        run: (work) => spans.run(span, work),
        end(status) {
          span.setAttribute('http.response.status_code', status)
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
    pins: (useCases) => tracedPins(useCases, spans),
    bus: (bus) => tracedBus(bus, spans, causes),
    ipfs: (ipfs) => tracedIpfs(ipfs, spans),
    attempts: tracedAttempts(spans, causes),
    traceparent: () => spans.calling(),
    async [Symbol.asyncDispose]() {
      await Promise.race([provider.shutdown().catch(() => {}), delay(flushMs, undefined, { ref: false })])
    },
  }
}
