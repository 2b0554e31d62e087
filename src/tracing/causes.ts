import type { SpanContext } from '@opentelemetry/api'
import { LRUCache } from 'lru-cache'
import { readTraceparent } from './traceparent.ts'

const max = 20_000

/**
 * Where placements' jobs came from, by their generation, which names one intent for ever. A job tells it when it comes as a hint; when
 * its placement is read from Postgres instead, or tried again, what this node heard before still counts. What it never heard of (NATS
 * is away, a restart) begins a trace of its own.
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
