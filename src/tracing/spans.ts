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

/** Spans, and which of them is the one that code runs in. Nothing here is global: each node of a process has its own. */
export class Spans {
  readonly #tracer: Tracer
  readonly #now = new AsyncLocalStorage<{ span: Span; kind: SpanKind | undefined }>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  /** Begins a trace, or goes on with the one that `parent` is in, whatever code runs in now. */
  begin(name: string, options: SpanOptions, parent?: SpanContext): Span {
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
    return this.#tracer.startSpan(name, options, context)
  }

  /** Runs `work` within `span`, which goes on after it. */
  run<T>(span: Span, work: () => T, kind?: SpanKind): T {
    return this.#now.run({ span, kind }, work)
  }

  /** Runs `work` within `span`, and ends it with what came out. */
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

  /** The same with a span below the one that code runs in; within none, it only runs. */
  async below<T>(name: string, options: SpanOptions, work: (span: Span | null) => Promise<T>): Promise<T> {
    const above = this.#now.getStore()
    if (above === undefined) return await work(null)
    const span = this.begin(name, options, above.span.spanContext())
    return await this.during(span, () => work(span), options.kind)
  }

  /**
   * The span that code runs in when that is a call to another server, for that server to go on with. Within any other span it is undefined:
   * a loop that an attempt starts lives in the attempt's span, and its calls are no part of the attempt.
   */
  calling(): string | undefined {
    const now = this.#now.getStore()
    return now?.kind === SpanKind.CLIENT ? writeTraceparent(now.span.spanContext()) : undefined
  }
}

/** An error by its code, never by its message: that may hold what a tenant named. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
