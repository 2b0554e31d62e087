import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type SpanExporter,
} from '@opentelemetry/sdk-trace'
import type { Log } from '../core/ports.ts'

export interface TracingOptions {
  /** The URL at which an OTLP/HTTP collector takes traces. */
  endpoint: string
  /** How many percent of the traces that begin here are recorded. A trace that is continued follows the decision at its beginning. */
  percent: number
  service: { version: string; nodeId: string; nodeName: string }
  log: Log
}

const timeoutMs = 5_000
/** How many spans may wait for delivery. More are dropped, so that an unreachable collector costs neither memory nor time. */
const maxQueue = 8_192

/** Records spans and delivers them in batches. Shutting it down delivers the rest, for a few seconds at most. */
export function tracerProvider({ endpoint, percent, service, log }: TracingOptions): TracerProvider {
  const exporter = telling(new OTLPTraceExporter({ url: endpoint, timeoutMillis: timeoutMs }), endpoint, log)
  return new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'anchorage',
      'service.version': service.version,
      'service.instance.id': service.nodeId,
      'anchorage.node.name': service.nodeName,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(percent / 100) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: maxQueue,
        scheduledDelayMillis: 1_000,
        exportTimeoutMillis: timeoutMs,
      }),
    ],
  })
}

/** Wraps `exporter`: logs one line when it cannot deliver, and another when it can again. */
function telling(exporter: SpanExporter, endpoint: string, log: Log): SpanExporter {
  let isDown = false
  const { origin, pathname } = new URL(endpoint)
  const at = `${origin}${pathname}`
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined
        if (failed && !isDown)
          log.warn(
            { err: result.error, at },
            'traces cannot be delivered and are dropped; check tracing.endpoint',
          )
        if (!failed && isDown) log.info({ at }, 'traces are delivered again')
        isDown = failed
        done(result)
      })
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  }
}
