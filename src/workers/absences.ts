import type { Epoch } from '../core/epoch.ts'
import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Log, RepairStore, SteadyClock } from '../core/ports.ts'
import { isDown, isWorking } from '../core/node-standing.ts'
import type { DownPolicy } from '../core/node-standing.ts'

/**
 * A node that has just started, or that was cut off from Postgres, cannot tell silent nodes from signs that it has not read yet. It listens
 * this long before it believes in silence; signs of life come every ten seconds. So silence is noticed this late at most.
 */
const settleMs = 15_000

export interface AbsenceParts {
  store: Pick<RepairStore, 'noteDown' | 'noteAway' | 'noteHeard' | 'downNodes' | 'noteDrained'>
  policy: DownPolicy
  /** How long this node has listened to the others without a gap, ms. */
  listenedMs: () => number
  clock: Pick<SteadyClock, 'steadyMs'>
  log: Log
}

/** The nodes as they are to be judged, and how many of them are down: null while nothing can be concluded from silence. */
export interface Noted {
  nodes: readonly Node[]
  down: number | null
}

/**
 * Records, for the leader of one epoch, that nodes go down, come back or are drained. A node that stops to work, goes down or comes back
 * starts a walk over its contents.
 */
export class Absences {
  readonly #parts: AbsenceParts
  readonly #epoch: Epoch
  /** Nodes that do not work, and nodes that work, for which this was recorded. */
  readonly #away = new Set<NodeId>()
  readonly #heard = new Set<NodeId>()
  /** When this leader saw each node work last. */
  readonly #workedAtMs = new Map<NodeId, number>()

  constructor(parts: AbsenceParts, epoch: Epoch) {
    this.#parts = parts
    this.#epoch = epoch
  }

  /** Records what has changed. */
  async note(seen: readonly Node[]): Promise<Noted> {
    const { store, policy } = this.#parts
    const down = new Set(await store.downNodes())
    const nodes = seen.map((node) => this.#judged(node, down.has(node.id)))
    const sure = this.#isSure(nodes)
    for (const node of nodes) {
      if (isWorking(node) && down.has(node.id)) await this.#back(node)
      // a node that says itself that it cannot work is believed at once
      if (isWorking(node)) await this.#noteHeard(node)
      else if (sure || node.live) await this.#noteAway(node)
      if ((sure || node.live) && !down.has(node.id) && isDown(node, policy)) await this.#gone(node)
    }
    return { nodes, down: sure ? nodes.filter((node) => isDown(node, policy)).length : null }
  }

  /** Marks nodes that have given up the last of their content as drained. Resolves with how many. */
  async noteDrained(): Promise<number> {
    const drained = await this.#parts.store.noteDrained(this.#epoch)
    for (const drainedId of drained) {
      this.#parts.log.info({ drainedId }, 'a node is drained: it has no content left')
    }
    return drained.length
  }

  /**
   * The node, away for no longer than since this leader saw it work, and as far down as Postgres says now: a node that goes away again has
   * another full grace. Its last sign in Postgres may be older than its last heartbeats, and `seen` was read some seconds ago.
   */
  #judged(node: Node, down: boolean): Node {
    const now = this.#parts.clock.steadyMs()
    if (isWorking(node)) this.#workedAtMs.set(node.id, now)
    const most = now - (this.#workedAtMs.get(node.id) ?? -Infinity) + settleMs
    const { silentMs, unable } = node
    return {
      ...node,
      down,
      silentMs: Math.min(silentMs, most),
      unable: unable && { ...unable, forMs: Math.min(unable.forMs, most) },
    }
  }

  #isSure(nodes: readonly Node[]): boolean {
    const { listenedMs, policy } = this.#parts
    return nodes.every(({ live }) => live) || listenedMs() >= Math.min(settleMs, policy.downGraceMs)
  }

  async #gone({ id, name, silentMs, unable }: Node): Promise<void> {
    await this.#parts.store.noteDown(this.#epoch, id, true)
    this.#parts.log.warn(
      { goneId: id, name, silentMs, unable },
      'a node counts as down: its content is copied to other nodes',
    )
  }

  async #back({ id, name }: Node): Promise<void> {
    await this.#parts.store.noteDown(this.#epoch, id, false)
    this.#parts.log.info({ backId: id, name }, 'a node is back: its copies count again')
  }

  /** Content below its minimum of copies does not wait for the grace period. A new leader does not restart a walk. */
  async #noteAway({ id, live, silentMs, unable }: Node): Promise<void> {
    if (this.#away.has(id)) return
    const away =
      live && unable !== null
        ? unable
        : ({ what: 'silent', forMs: silentMs, reason: 'it is silent' } as const)
    await this.#parts.store.noteAway(this.#epoch, id, away)
    this.#away.add(id)
    this.#heard.delete(id)
  }

  async #noteHeard({ id }: Node): Promise<void> {
    if (this.#heard.has(id)) return
    await this.#parts.store.noteHeard(this.#epoch, id)
    this.#heard.add(id)
    this.#away.delete(id)
  }
}
