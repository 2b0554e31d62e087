import { mergeNodes } from '../../src/cluster/presence.ts'
import type { Heartbeat } from '../../src/cluster/heartbeat.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { Node } from '../../src/core/node.ts'
import type { Database, NodeRow } from './database.ts'
import type { VirtualTime } from './time.ts'

/** A sign in Postgres that is older than this says nothing about now; a sign is written every 10 s. */
const freshMs = 15_000
/** One that is further ahead neither. */
const aheadMs = 5_000
/** The same for a heartbeat, which is sent every second. */
const freshBeatMs = 5_000

/** What a node hears from another one. */
export interface Hearer {
  /** The last heartbeat that could have arrived, and when it was sent; null when there was none. */
  lastBeat(nodeId: NodeId): { heartbeat: Heartbeat; atMs: number } | null
  self(): Heartbeat
}

/** The nodes of the cluster as one node sees them: the rows that it read some seconds ago, and the heartbeats that it has heard since. */
export class View {
  readonly #db: Database
  readonly #time: VirtualTime
  readonly #hearer: Hearer
  #known: readonly Node[] = []
  #listensSinceMs = 0
  #states = new Map<NodeId, Node['state']>()
  /** It hears no heartbeats until then. */
  deafUntilMs = 0

  constructor(db: Database, time: VirtualTime, hearer: Hearer) {
    this.#db = db
    this.#time = time
    this.#hearer = hearer
  }

  /** Reads the rows of the nodes. */
  read(): void {
    const now = this.#db.now()
    this.#known = [...this.#db.nodes.values()].map((row) => ({
      id: row.id,
      name: row.id,
      zone: row.zone,
      multiaddrs: [],
      capacityBytes: row.capacityBytes,
      usedBytes: row.usedBytes,
      state: row.state,
      live: now - row.lastSeen < freshMs && row.lastSeen - now < aheadMs,
      silentMs: Math.max(now - row.lastSeen, 0),
      unable: unableOf(row, now),
      down: row.isDown,
    }))
    this.#states = new Map(this.#known.map(({ id, state }) => [id, state]))
  }

  nodes(): readonly Node[] {
    return mergeNodes(this.#known, (id) => this.#heard(id), this.#hearer.self(), this.listenedMs())
  }

  /** How long it has listened without a gap. */
  listenedMs(): number {
    return this.#time.now - this.#listensSinceMs
  }

  /** What it has heard so far may be old. */
  listenAgain(): void {
    this.#listensSinceMs = this.#time.now
  }

  /** The state that operators want for a node, as this one knows it. */
  stateOf(nodeId: NodeId): Node['state'] {
    return this.#states.get(nodeId) ?? 'active'
  }

  #heard(nodeId: NodeId): Heartbeat | null {
    const { now } = this.#time
    const beat = now < this.deafUntilMs ? null : this.#hearer.lastBeat(nodeId)
    return beat !== null && now - beat.atMs < freshBeatMs ? beat.heartbeat : null
  }
}

function unableOf({ unable }: NodeRow, now: number): Node['unable'] {
  if (unable === null || unable.what === 'silent') return null
  return { what: unable.what, forMs: now - unable.since, reason: 'a fault' }
}
