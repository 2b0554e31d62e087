import type { NatsCluster } from '../cluster/nats-config.ts'
import type { NatsChild } from '../cluster/nats-server.ts'
import { goneMembers, leaderlessPatience, type Member } from '../cluster/nats-quorum.ts'
import { metaGroup, removePeers } from '../cluster/peers.ts'
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

/** This node's nats-server and its connection there, as far as the members matter to them. */
export interface Followed {
  child: Pick<NatsChild, 'setCluster' | 'systemUrl' | 'replaceStore'>
  /** Called after the number of members has changed. */
  onChange: () => void
  /** Whether JetStream takes messages. */
  isWell: () => boolean
}

const everyMs = 2_000
/** Once in this many rounds, the nats-servers of nodes that are gone are removed from JetStream. */
const letGoEvery = 15

/**
 * Which nats-servers form the cluster: those that the config names, or those of the nodes in Postgres. A single server runs without a
 * cluster, because a cluster of one never elects a leader; it joins once there is another server.
 */
export class NatsMembers {
  readonly #parts: NatsMembersParts
  #others: readonly string[] = []
  #members: readonly Member[] = []
  #leaderlessSinceMs: number | null = null
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
    this.#members = routes.map(({ nodeId, silentMs, served }) => ({ name: nodeId, silentMs, served }))
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

  /** Reads the members every `everyMs`, applies them to the server, and sees to it that JetStream can have a quorum. */
  follow(followed: Followed): AsyncDisposable {
    const stop = new AbortController()
    const { child } = followed
    let round = 0
    const look = async (): Promise<void> => {
      const before = this.count()
      await this.read()
      await child.setCluster(this.cluster())
      if (this.count() !== before) followed.onChange()
      if (this.count() < before || round++ % letGoEvery === letGoEvery - 1) await this.#letGo(child)
      await this.#startOver(followed)
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

  /** Removes the servers of nodes that were forgotten, never joined or are gone from JetStream, so that its quorum does not count them. */
  async #letGo({ systemUrl }: Followed['child']): Promise<void> {
    const { node, log } = this.#parts
    const gone = new Set(goneMembers(this.#members))
    const known = new Set(this.#members.filter((member) => !gone.has(member)).map(({ name }) => name))
    if (this.cluster() === null || !known.has(node.nodeId)) return
    const removed = await removePeers(systemUrl, known)
    if (removed.length > 0)
      log.info({ removed }, 'JetStream no longer counts nats-servers whose nodes were forgotten or are gone')
  }

  /**
   * When JetStream has no leader for long, this node's server forgets the group and begins again with an empty store, as the servers of the
   * other nodes do: without a leader, lost servers cannot be removed from the group. All that JetStream had is in Postgres.
   */
  async #startOver({ child, isWell }: Followed): Promise<void> {
    const group = isWell() || this.cluster() === null ? null : await metaGroup(child.systemUrl)
    const patienceMs = group === null ? null : leaderlessPatience(group, this.#members)
    if (group === null || patienceMs === null) {
      this.#leaderlessSinceMs = null
      return
    }
    this.#leaderlessSinceMs ??= performance.now()
    if (performance.now() - this.#leaderlessSinceMs < patienceMs) return
    this.#leaderlessSinceMs = null
    this.#parts.log.warn(
      { counted: group.size, nodes: this.#members.length, reached: group.reached.size },
      'JetStream has had no leader for too long; its servers begin again with empty stores',
    )
    await child.replaceStore('JetStream has had no leader for too long')
  }
}
