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
  /** Where an OTLP/HTTP collector takes traces. */
  endpoint: string
  /** Of the traces that begin here, how many percent are recorded; those that go on follow their beginning. */
  percent: number
  service: { version: string; nodeId: string; nodeName: string }
  log: Log
}

const timeoutMs = 5_000
/** What waits to be delivered; more is dropped, so that a collector that is away costs neither memory nor time. */
const maxQueue = 8_192

/** Records spans and delivers them in batches; shutting it down delivers what is left, for a few seconds at most. */
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

/** `exporter`, with a line in the log when it cannot deliver, and another when it can again. */
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
            'traces cannot be delivered and are dropped; see tracing.endpoint',
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
