import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Log, Presence } from '../core/ports.ts'
import type { Cluster } from './connect.ts'
import { readHeartbeat, writeHeartbeat, type Heartbeat } from './heartbeat.ts'
import { explain } from './nats-error.ts'
import { heartbeatSubject, heartbeatSubjects } from './names.ts'
import { steadyClock, type SteadyClock } from './steady-clock.ts'

export interface PresenceOptions {
  nats: Cluster
  /** This node, as it is now. */
  self: () => Heartbeat
  /** The nodes as Postgres tells, `live` by their `last_seen`; read by somebody else, every few seconds. */
  known: () => readonly Node[]
  log: Log
  clock?: SteadyClock
}

const everyMs = 1_000
/** A heartbeat older than this says nothing about now. */
const freshMs = 5_000
/** `nodes()` is asked for every accepted pin; a list this old will do. */
const reuseMs = 100

/** Heartbeats out and in, until disposed of. */
export function startPresence(options: PresenceOptions): HeartbeatPresence {
  return new HeartbeatPresence(options)
}

/** Who is there. Only nodes that Postgres knows are; a heartbeat tells that they live, and what they hold now. */
export class HeartbeatPresence implements Presence, AsyncDisposable {
  readonly #options: PresenceOptions
  readonly #clock: SteadyClock
  readonly #heard = new Map<NodeId, { heartbeat: Heartbeat; atMs: number }>()
  readonly #off: () => void
  readonly #timer: NodeJS.Timeout
  #list: readonly Node[] = []
  #listFrom: readonly Node[] | null = null
  #listAtMs = -Infinity
  #unreadable = 0

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#clock = options.clock ?? steadyClock
    this.#off = options.nats.subscribe(heartbeatSubjects, (message) => this.#hear(message.string()))
    this.#timer = setInterval(() => this.#beat(), everyMs)
    this.#beat()
  }

  nodes(): readonly Node[] {
    const known = this.#options.known()
    const nowMs = this.#clock.steadyMs()
    if (known === this.#listFrom && nowMs - this.#listAtMs < reuseMs) return this.#list
    this.#list = mergeNodes(known, (id) => this.#freshFrom(id, nowMs), this.#options.self())
    this.#listFrom = known
    this.#listAtMs = nowMs
    return this.#list
  }

  /** How long ago each other node was heard, ms; those that were not heard lately are left out. */
  heard(): Record<NodeId, number> {
    const nowMs = this.#clock.steadyMs()
    const others = [...this.#heard].filter(([id]) => id !== this.#options.nats.nodeId)
    return Object.fromEntries(others.map(([id, { atMs }]) => [id, Math.round(nowMs - atMs)]))
  }

  /** What accepts took lately on the node where they took longest, ms; null when there were none anywhere. */
  acceptMs(): number | null {
    const nowMs = this.#clock.steadyMs()
    const told = [...this.#heard.keys()].map((id) => this.#freshFrom(id, nowMs)?.acceptMs ?? null)
    const known = [...told, this.#options.self().acceptMs].filter((ms) => ms !== null)
    return known.length === 0 ? null : Math.max(...known)
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#off()
    return Promise.resolve()
  }

  #freshFrom(id: NodeId, nowMs: number): Heartbeat | null {
    const heard = this.#heard.get(id)
    return heard !== undefined && nowMs - heard.atMs < freshMs ? heard.heartbeat : null
  }

  #hear(text: string): void {
    const heartbeat = readHeartbeat(text)
    if (heartbeat === null) {
      if (this.#unreadable++ === 0)
        this.#options.log.warn({}, 'ignoring heartbeats that this version cannot read')
      return
    }
    const nowMs = this.#clock.steadyMs()
    const before = this.#freshFrom(heartbeat.nodeId, nowMs)
    // An older boot of the same node that has not died yet does not speak for it.
    if (before !== null && before.incarnation > heartbeat.incarnation) return
    this.#heard.set(heartbeat.nodeId, { heartbeat, atMs: nowMs })
  }

  #beat(): void {
    try {
      const { nats, self } = this.#options
      nats.connection()?.publish(heartbeatSubject(nats.nodeId), writeHeartbeat(self()))
    } catch (error) {
      this.#options.log.debug({ reason: explain(error) }, 'a heartbeat was not sent')
    }
    this.#forgetOld()
  }

  #forgetOld(): void {
    const nowMs = this.#clock.steadyMs()
    for (const [id, { atMs }] of this.#heard) if (nowMs - atMs >= freshMs) this.#heard.delete(id)
  }
}

/**
 * What Postgres knows, brought up to date by what was heard. A node lives when either says so: with NATS away, `last_seen`
 * is enough; with Postgres' list some seconds old, heartbeats are. This node always lives: it is asking. Addresses, which are dialled
 * and shown to tenants, are those in Postgres.
 */
export function mergeNodes(
  known: readonly Node[],
  heard: (id: NodeId) => Heartbeat | null,
  self: Heartbeat,
): readonly Node[] {
  return known.map((node) => {
    const heartbeat = node.id === self.nodeId ? self : heard(node.id)
    if (heartbeat === null) return node
    return {
      ...node,
      live: true,
      // Either may be behind after a drain began; to place nothing on a node is the safe mistake.
      state: node.state === 'active' ? heartbeat.state : node.state,
      capacityBytes: heartbeat.capacityBytes ?? node.capacityBytes,
      usedBytes: heartbeat.usedBytes ?? node.usedBytes,
    }
  })
}
