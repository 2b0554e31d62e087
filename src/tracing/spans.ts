import { AsyncLocalStorage } from 'node:async_hooks'
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api'
import { writeTraceparent } from './traceparent.ts'

/** Spans, and the span that code currently runs in. Nothing here is global: each node of a process has its own `Spans`. */
export class Spans {
  readonly #tracer: Tracer
  readonly #now = new AsyncLocalStorage<{ span: Span; kind: SpanKind | undefined }>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  /** Begins a trace, or continues the trace of `parent`. The span that code currently runs in plays no part. */
  begin(name: string, options: SpanOptions, parent?: SpanContext): Span {
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
    return this.#tracer.startSpan(name, options, context)
  }

  /** Runs `work` within `span`, and leaves the span open. */
  run<T>(span: Span, work: () => T, kind?: SpanKind): T {
    return this.#now.run({ span, kind }, work)
  }

  /** Runs `work` within `span`, and ends the span, marked with the error if `work` failed. */
  async during<T>(span: Span, work: () => Promise<T>, kind?: SpanKind): Promise<T> {
    try {
      return await this.run(span, work, kind)
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: kindOf(error) })
      throw error
    } finally {
      span.end()
    }
  }

  /** Like `during`, with a new span below the one that code currently runs in. Outside of any span, `work` just runs. */
  async below<T>(name: string, options: SpanOptions, work: (span: Span | null) => Promise<T>): Promise<T> {
    const above = this.#now.getStore()
    if (above === undefined) return await work(null)
    const span = this.begin(name, options, above.span.spanContext())
    return await this.during(span, () => work(span), options.kind)
  }

  /**
   * The traceparent of the current span if that is a call to another server, so that the server can continue the trace. Within any other
   * span it is undefined: a loop that an attempt starts runs in the attempt's span, but its calls are no part of the attempt.
   */
  calling(): string | undefined {
    const now = this.#now.getStore()
    return now?.kind === SpanKind.CLIENT ? writeTraceparent(now.span.spanContext()) : undefined
  }
}

/** Names an error by its code or class, never by its message, which may contain what an org named. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
