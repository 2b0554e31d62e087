import type { NatsCluster } from '../cluster/nats-config.ts'
import type { NatsChild } from '../cluster/nats-server.ts'
import { removeForgotten } from '../cluster/peers.ts'
import type { Log, NodeIdentity } from '../core/ports.ts'
import type { NodeStore } from '../store/store.ts'
import { systemClock } from './clock.ts'
import { every } from './every.ts'
import { clusterOf, type ClusterPlace } from './nats-cluster.ts'

export interface NatsMembersParts {
  /** Null: this node's nats-server stands alone, whoever else there is. */
  place: ClusterPlace | null
  node: NodeIdentity
  store: Pick<NodeStore, 'setRoute' | 'routes'>
  log: Log
}

const everyMs = 2_000
/** Of these rounds: servers that are no nodes' any more are let go. */
const letGoEvery = 15

/**
 * Which nats-servers make the cluster: those that the config names, or those of the nodes in Postgres. A server that is the only one
 * stands alone, for a cluster of one never elects; it joins once there is another.
 */
export class NatsMembers {
  readonly #parts: NatsMembersParts
  #others: readonly string[] = []
  #known: ReadonlySet<string> = new Set()
  #warned = false
  #twin: string | null = null

  constructor(parts: NatsMembersParts) {
    this.#parts = parts
  }

  /** Tells the others where this node's nats-server is reached, or that it is not. */
  async announce(): Promise<void> {
    const { store, node, place } = this.#parts
    await store.setRoute(node, place?.seat.announce ?? null)
  }

  /** Asks who there is. */
  async read(): Promise<void> {
    const { place, node, store, log } = this.#parts
    if (place === null) return
    const routes = await store.routes()
    const twin = routes.find(({ nodeId, route }) => nodeId !== node.nodeId && route === place.seat.announce)
    this.#twin = twin?.name ?? null
    this.#known = new Set(routes.map(({ nodeId }) => nodeId))
    this.#others = place.named.length > 0 ? place.named : routes.map(({ route }) => route)
    const isPair = this.count() === 2
    if (isPair && !this.#warned)
      log.warn(
        {},
        'two nodes make no quorum without each other: NATS is away whenever one of them is; a third one cures that',
      )
    this.#warned = isPair
  }

  /** Null when this node has a seat of its own; else why it has not. */
  trouble(): string | null {
    if (this.#twin === null) return null
    return `node ${this.#twin} announces the same route as this one (${this.#parts.place?.seat.announce}): nats.cluster.announce must be each node's own`
  }

  /** How many there are, this node's included. */
  count(): number {
    const { place } = this.#parts
    return place === null ? 1 : clusterOf(place, this.#others).members.length
  }

  /** What this node's nats-server is one of; null while it is the only one. */
  cluster(): NatsCluster | null {
    const { place } = this.#parts
    return place === null || this.count() === 1 ? null : clusterOf(place, this.#others)
  }

  /** Asks again and again, and has `child` follow; `onChange` after the number changed. */
  follow(child: Pick<NatsChild, 'setCluster' | 'systemUrl'>, onChange: () => void): AsyncDisposable {
    const stop = new AbortController()
    let round = 0
    const look = async (): Promise<void> => {
      const before = this.count()
      await this.read()
      await child.setCluster(this.cluster())
      if (this.count() !== before) onChange()
      if (this.count() < before || round++ % letGoEvery === letGoEvery - 1) await this.#letGo(child)
    }
    const onError = (err: unknown): void =>
      this.#parts.log.debug({ err }, 'cannot look after the other nats-servers')
    const signal = stop.signal
    const done =
      this.#parts.place === null
        ? Promise.resolve()
        : every(everyMs, look, { clock: systemClock, signal, onError })
    return {
      async [Symbol.asyncDispose]() {
        stop.abort(new Error('this node is stopping'))
        await done
      },
    }
  }

  /** Nodes that operators forgot count no longer, so that they are not missed in a quorum. */
  async #letGo({ systemUrl }: Pick<NatsChild, 'systemUrl'>): Promise<void> {
    const { node, log } = this.#parts
    if (this.cluster() === null || !this.#known.has(node.nodeId)) return
    const gone = await removeForgotten(systemUrl, this.#known)
    if (gone.length > 0) log.info({ gone }, 'JetStream counts nats-servers of forgotten nodes no longer')
  }
}
