import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import {
  families,
  type CounterName,
  type Family,
  type HistogramName,
  type LabelsOf,
  type SeenName,
} from './families.ts'

/** One value of a family that is read at a scrape. */
export interface Sample {
  name: SeenName
  labels: Record<string, string>
  value: number
}

/** The families of one node as instruments. Nodes that share a process have separate ones. */
export class Instruments {
  readonly #registry = new Registry()
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, Gauge>()
  readonly #histograms = new Map<string, Histogram>()

  constructor() {
    for (const [name, family] of Object.entries<Family>(families)) this.#make(name, family)
    collectDefaultMetrics({ register: this.#registry, prefix: 'anchorage_' })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** A look-up by labels and an addition: cheap enough for every request. */
  observe<N extends HistogramName>(name: N, value: number, labels: LabelsOf<N>): void {
    this.#histograms.get(name)?.observe(labels, value)
  }

  count<N extends CounterName>(name: N, labels: LabelsOf<N>, by = 1): void {
    this.#counters.get(name)?.inc(labels, by)
  }

  /** Everything in Prometheus' text format. Families that are read at a scrape have the values of `samples`, and no others. */
  async text(samples: readonly Sample[]): Promise<string> {
    for (const [name, family] of Object.entries<Family>(families)) this.#clear(name, family)
    for (const { name, labels, value } of samples) {
      this.#gauges.get(name)?.set(labels, value)
      this.#counters.get(name)?.inc(labels, value)
    }
    return await this.#registry.metrics()
  }

  /** The metrics of the process that prom-client adds to our families. */
  vitalSigns(): { name: string; help: string }[] {
    return this.#registry.getMetricsAsArray().filter(({ name }) => !(name in families))
  }

  #make(name: string, { type, help, labels, buckets = [] }: Family): void {
    const labelNames = [...labels]
    const options = { name, help, labelNames, registers: [this.#registry] }
    if (type === 'counter') this.#counters.set(name, new Counter(options))
    else if (type === 'gauge') this.#gauges.set(name, new Gauge(options))
    else this.#histograms.set(name, new Histogram({ ...options, buckets: [...buckets] }))
  }

  #clear(name: string, { from, labels }: Family): void {
    if (from === 'event') return
    const instrument = this.#gauges.get(name) ?? this.#counters.get(name)
    instrument?.reset()
    // prom-client resets a family without labels to 0, but an unknown value is not 0.
    if (labels.length === 0) instrument?.remove()
  }
}
