import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Clock, Log, RepairStore } from '../core/ports.ts'
import { isDown } from '../core/standing.ts'
import type { DownPolicy } from '../core/standing.ts'

/** A leader that just began, or that was cut off, sees silence that is its own: it waits for signs, which come every ten seconds. */
const settleMs = 15_000

export interface AbsenceParts {
  store: Pick<RepairStore, 'walks' | 'beginWalk' | 'noteDown' | 'downNodes' | 'noteDrained'>
  policy: DownPolicy
  clock: Pick<Clock, 'now'>
  log: Log
}

/** What the leader of one epoch notes of nodes that go, come back and drain; each means a walk over what they hold. */
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

  /** The leader could not reach Postgres: what it hears next may be old. */
  cutOff(): void {
    this.#hearsSinceMs = null
  }

  /** Notes what changed. Resolves with how many nodes are down, or null while nothing is to be concluded from silence. */
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

  /** Nodes that gave up the last of their content are drained. */
  async noteDrained(): Promise<number> {
    const drained = await this.#parts.store.noteDrained(this.#epoch)
    for (const drainedId of drained) {
      this.#parts.log.info({ drainedId }, 'a node is drained: it holds none of our content any more')
    }
    return drained.length
  }

  #isSure(nodes: readonly Node[]): boolean {
    const { clock, policy } = this.#parts
    this.#hearsSinceMs ??= clock.now()
    if (nodes.every(({ live }) => live)) return true
    return clock.now() - this.#hearsSinceMs >= Math.min(settleMs, policy.downGraceMs)
  }

  async #gone({ id, name, silentMs }: Node): Promise<void> {
    await this.#parts.store.noteDown(this.#epoch, id, true)
    this.#parts.log.warn(
      { goneId: id, name, silentMs },
      'a node is given up for down: what it holds is copied to others',
    )
  }

  async #back({ id, name }: Node): Promise<void> {
    await this.#parts.store.noteDown(this.#epoch, id, false)
    this.#parts.log.info({ backId: id, name }, 'a node is back: what it holds counts again')
  }

  /** What is below its minimum does not wait for the grace. */
  async #beginWalks(nodes: readonly Node[], down: ReadonlySet<NodeId>): Promise<void> {
    const { store } = this.#parts
    for (const { id, live } of nodes) if (live) this.#silent.delete(id)
    const fresh = nodes.filter(({ id, live }) => !live && !this.#silent.has(id))
    if (fresh.length === 0) return
    // A walk of one that was given up goes on where it stands: a new leader must not begin it anew.
    const walked = new Set((await store.walks()).map(({ nodeId }) => nodeId))
    for (const { id } of fresh) {
      if (!walked.has(id) && !down.has(id)) await store.beginWalk(this.#epoch, id)
      this.#silent.add(id)
    }
  }
}
