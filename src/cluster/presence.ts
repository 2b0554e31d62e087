import type { NodeId } from '../core/ids.ts'
import type { Inability, Node } from '../core/node.ts'
import type { Log, Presence } from '../core/ports.ts'
import type { NodeNatsLink } from './nats-link.ts'
import { readHeartbeat, writeHeartbeat, type Heartbeat } from './heartbeat.ts'
import { explain } from './nats-error.ts'
import { heartbeatSubject, heartbeatSubjects } from './names.ts'
import { steadyClock, type SteadyClock } from './steady-clock.ts'

export interface PresenceOptions {
  link: NodeNatsLink
  /** This node, as it is now. */
  self: () => Heartbeat
  /** The nodes in Postgres, `live` by their `last_seen`. Other code reads them every few seconds. */
  known: () => readonly Node[]
  log: Log
  clock?: SteadyClock
}

const everyMs = 1_000
/** A heartbeat older than this says nothing about now. */
const freshMs = 5_000
/** `nodes()` is called for every accepted pin; a list this old is good enough. */
const reuseMs = 100

/** Sends and receives heartbeats until disposed of. */
export function startPresence(options: PresenceOptions): HeartbeatPresence {
  return new HeartbeatPresence(options)
}

/** The nodes of the cluster. Only nodes in Postgres count; a heartbeat shows that a node is alive, and how full it is. */
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
  #listensSinceMs: number

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#clock = options.clock ?? steadyClock
    this.#listensSinceMs = this.#clock.steadyMs()
    this.#off = options.link.subscribe(heartbeatSubjects, (message) => this.#hear(message.string()))
    this.#timer = setInterval(() => this.#beat(), everyMs)
    this.#beat()
  }

  nodes(): readonly Node[] {
    const known = this.#options.known()
    const nowMs = this.#clock.steadyMs()
    if (known === this.#listFrom && nowMs - this.#listAtMs < reuseMs) return this.#list
    const heard = (id: NodeId): Heartbeat | null => this.#freshFrom(id, nowMs)
    this.#list = mergeNodes(known, heard, this.#options.self(), this.listenedMs())
    this.#listFrom = known
    this.#listAtMs = nowMs
    return this.#list
  }

  /** For how long this node has listened to the others without a gap, ms. Silence from before that says nothing about them. */
  listenedMs(): number {
    return this.#clock.steadyMs() - this.#listensSinceMs
  }

  /** Call this when this node was cut off: the signs of the other nodes that it has may be old. */
  listenAgain(): void {
    this.#listensSinceMs = this.#clock.steadyMs()
  }

  /** How long ago each other node was heard, ms; those that were not heard lately are left out. */
  heard(): Record<NodeId, number> {
    const nowMs = this.#clock.steadyMs()
    const others = [...this.#heard].filter(([id]) => id !== this.#options.link.nodeId)
    return Object.fromEntries(others.map(([id, { atMs }]) => [id, Math.round(nowMs - atMs)]))
  }

  /** How long accepts took lately on the slowest node, ms; null when no node had any. */
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
    // Ignore an older boot of the same node that has not ended yet.
    if (before !== null && before.incarnation > heartbeat.incarnation) return
    this.#heard.set(heartbeat.nodeId, { heartbeat, atMs: nowMs })
  }

  #beat(): void {
    try {
      const { link, self } = this.#options
      link.connection()?.publish(heartbeatSubject(link.nodeId), writeHeartbeat(self()))
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
 * The nodes in Postgres, updated by heartbeats. A node is live when either source says so: `last_seen` is enough while NATS is away, and a
 * heartbeat is enough while the list from Postgres is some seconds old. This node is always live: it is asking. A heartbeat also says best
 * what its node can do, and Postgres says since when not: a process that starts again does not know. No node is silent or unable for longer
 * than this one has listened. Addresses come from Postgres alone, since they are dialled and shown to orgs.
 */
export function mergeNodes(
  known: readonly Node[],
  heard: (id: NodeId) => Heartbeat | null,
  self: Heartbeat,
  listenedMs: number,
): readonly Node[] {
  const bounded = (ms: number): number => Math.min(ms, listenedMs)
  return known.map((node) => {
    const heartbeat = node.id === self.nodeId ? self : heard(node.id)
    const silentMs = bounded(node.silentMs)
    const unable = inabilityOf(node, heartbeat)
    const away = { silentMs, unable: unable && { ...unable, forMs: bounded(unable.forMs) } }
    if (heartbeat === null) return { ...node, ...away }
    return {
      ...node,
      ...away,
      live: true,
      // Either source may be behind after a drain began. Placing nothing on a node is the safe mistake.
      state: node.state === 'active' ? heartbeat.state : node.state,
      capacityBytes: heartbeat.capacityBytes ?? node.capacityBytes,
      usedBytes: heartbeat.usedBytes ?? node.usedBytes,
      ...(heartbeat.kubo === undefined ? {} : { kubo: heartbeat.kubo }),
    }
  })
}

function inabilityOf({ unable: noted }: Node, heartbeat: Heartbeat | null): Inability | null {
  if (heartbeat === null) return noted
  const told = heartbeat.unable ?? null
  return told && { ...told, forMs: Math.max(told.forMs, noted?.forMs ?? 0) }
}
