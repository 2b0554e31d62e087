import type { NatsCluster } from '../cluster/nats-config.ts'
import type { NatsChild } from '../cluster/nats-server.ts'
import { removeForgotten } from '../cluster/peers.ts'
import type { NodeIdentity } from '../core/node.ts'
import type { Log } from '../core/ports.ts'
import type { NodeStore } from '../store/nodes.ts'
import { systemClock } from './clock.ts'
import { every } from './every.ts'
import { clusterOf, type ClusterPlace } from '../config/nats-cluster.ts'

export interface NatsMembersParts {
  /** Null when this node's nats-server runs alone, even if there are other nodes. */
  place: ClusterPlace | null
  node: NodeIdentity
  store: Pick<NodeStore, 'setRoute' | 'routes'>
  log: Log
}

const everyMs = 2_000
/** Once in this many rounds, the nats-servers of forgotten nodes are removed from JetStream. */
const letGoEvery = 15

/**
 * Which nats-servers form the cluster: those that the config names, or those of the nodes in Postgres. A single server runs without a
 * cluster, because a cluster of one never elects a leader; it joins once there is another server.
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

  /** Writes to Postgres where the other nodes reach this node's nats-server, or that they cannot reach it. */
  async announce(): Promise<void> {
    const { store, node, place } = this.#parts
    await store.setRoute(node, place?.seat.announce ?? null)
  }

  /** Reads from Postgres which nats-servers there are. */
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
        'a cluster of two nodes has no NATS while either node is down, since one node alone has no ' +
          'quorum: add a third node',
      )
    this.#warned = isPair
  }

  /** Null when no other node announces this node's route; otherwise the reason why this node cannot join. */
  trouble(): string | null {
    if (this.#twin === null) return null
    return `node ${this.#twin} announces the same route as this one (${this.#parts.place?.seat.announce}): give each node its own nats.cluster.announce`
  }

  /** The number of members, including this node. */
  count(): number {
    const { place } = this.#parts
    return place === null ? 1 : clusterOf(place, this.#others).members.length
  }

  /** The cluster that this node's nats-server belongs to; null while it is the only member. */
  cluster(): NatsCluster | null {
    const { place } = this.#parts
    return place === null || this.count() === 1 ? null : clusterOf(place, this.#others)
  }

  /** Reads the members every `everyMs` and applies them to `child`. Calls `onChange` after their number has changed. */
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
      this.#parts.log.debug({ err }, 'cannot read the list of the other nats-servers')
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

  /** Removes the servers of forgotten nodes from JetStream, so that its quorum no longer counts them. */
  async #letGo({ systemUrl }: Pick<NatsChild, 'systemUrl'>): Promise<void> {
    const { node, log } = this.#parts
    if (this.cluster() === null || !this.#known.has(node.nodeId)) return
    const gone = await removeForgotten(systemUrl, this.#known)
    if (gone.length > 0) log.info({ gone }, 'JetStream no longer counts the nats-servers of forgotten nodes')
  }
}
