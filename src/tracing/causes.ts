import type { SpanContext } from '@opentelemetry/api'
import { LRUCache } from 'lru-cache'
import { readTraceparent } from './traceparent.ts'

const max = 20_000

/**
 * Remembers which trace the job of each placement came from, by the placement's generation, which names one intent for ever. A job that
 * comes as a hint carries its trace. When its placement is read from Postgres instead, or tried again, the trace that this node heard
 * before still counts. A generation that this node never heard of (NATS was away, or the node restarted) begins a trace of its own.
 */
export class Causes {
  readonly #known = new LRUCache<number, string>({ max })

  note(generation: number, traceparent: string): void {
    this.#known.set(generation, traceparent)
  }

  of(generation: number): SpanContext | undefined {
    return readTraceparent(this.#known.get(generation))
  }
}
