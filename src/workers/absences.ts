import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Log, RepairStore, SteadyClock } from '../core/ports.ts'
import { isDown } from '../core/node-standing.ts'
import type { DownPolicy } from '../core/node-standing.ts'

/**
 * A leader that has just started, or that was cut off from Postgres, cannot tell silent nodes from signs that it has not read yet. It waits
 * this long before it believes in silence; signs of life come every ten seconds.
 */
const settleMs = 15_000

export interface AbsenceParts {
  store: Pick<RepairStore, 'walks' | 'beginWalk' | 'noteDown' | 'downNodes' | 'noteDrained'>
  policy: DownPolicy
  clock: Pick<SteadyClock, 'steadyMs'>
  log: Log
}

/**
 * Records, for the leader of one epoch, that nodes go down, come back or are drained. A node that goes down or comes back starts a walk
 * over its contents.
 */
export class Absences {
  readonly #parts: AbsenceParts
  readonly #epoch: number
  #hearsSinceMs: number | null = null
  /** Silent nodes for which a walk was begun. */
  readonly #silent = new Set<NodeId>()

  constructor(parts: AbsenceParts, epoch: number) {
    this.#parts = parts
    this.#epoch = epoch
  }

  /** Call this when the leader could not reach Postgres: the signs of life that it reads next may be old. */
  cutOff(): void {
    this.#hearsSinceMs = null
  }

  /** Records what has changed. Resolves with how many nodes are down, or null while nothing can be concluded from silence. */
  async note(nodes: readonly Node[]): Promise<number | null> {
    const { store } = this.#parts
    const down = new Set(await store.downNodes())
    const sure = this.#isSure(nodes)
    for (const node of nodes) {
      if (node.live && down.has(node.id)) await this.#back(node)
      else if (sure && !down.has(node.id) && isDown(node, this.#parts.policy)) await this.#gone(node)
    }
    if (!sure) return null
    await this.#beginWalks(nodes, down)
    return nodes.filter((node) => isDown(node, this.#parts.policy)).length
  }

  /** Marks nodes that have given up the last of their content as drained. Resolves with how many. */
  async noteDrained(): Promise<number> {
    const drained = await this.#parts.store.noteDrained(this.#epoch)
    for (const drainedId of drained) {
      this.#parts.log.info({ drainedId }, 'a node is drained: it has no content left')
    }
    return drained.length
  }

  #isSure(nodes: readonly Node[]): boolean {
    const { clock, policy } = this.#parts
    this.#hearsSinceMs ??= clock.steadyMs()
    if (nodes.every(({ live }) => live)) return true
    return clock.steadyMs() - this.#hearsSinceMs >= Math.min(settleMs, policy.downGraceMs)
  }

  async #gone({ id, name, silentMs }: Node): Promise<void> {
    await this.#parts.store.noteDown(this.#epoch, id, true)
    this.#parts.log.warn(
      { goneId: id, name, silentMs },
      'a node counts as down: its content is copied to other nodes',
    )
  }

  async #back({ id, name }: Node): Promise<void> {
    await this.#parts.store.noteDown(this.#epoch, id, false)
    this.#parts.log.info({ backId: id, name }, 'a node is back: its copies count again')
  }

  /** Starts a walk over each node that has become silent: content below its minimum of copies does not wait for the grace period. */
  async #beginWalks(nodes: readonly Node[], down: ReadonlySet<NodeId>): Promise<void> {
    const { store } = this.#parts
    for (const { id, live } of nodes) if (live) this.#silent.delete(id)
    const fresh = nodes.filter(({ id, live }) => !live && !this.#silent.has(id))
    if (fresh.length === 0) return
    // A walk over a node that is down continues where it is: a new leader must not restart it.
    const walked = new Set((await store.walks()).map(({ nodeId }) => nodeId))
    for (const { id } of fresh) {
      if (!walked.has(id) && !down.has(id)) await store.beginWalk(this.#epoch, id)
      this.#silent.add(id)
    }
  }
}
