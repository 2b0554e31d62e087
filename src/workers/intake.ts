import type { NodeState } from '../core/node.ts'
import type { Clock } from '../core/ports.ts'

/** What a pin worker may take on now. `unpins`: its node gives up its content. `nothing`: somebody needs Kubo for himself. */
export type Taking = 'everything' | 'unpins' | 'nothing'

export interface IntakeParts {
  /** What operators want of this node. */
  state: () => NodeState
  /** For so long a node that starts to drain goes on with what it has. */
  graceMs: number
  clock: Pick<Clock, 'now'>
}

/** Says what this node's pin worker may take on, from what operators want of the node and from who holds it still. */
export class Intake {
  readonly #parts: IntakeParts
  #holds = 0
  #drainingSinceMs: number | null = null

  constructor(parts: IntakeParts) {
    this.#parts = parts
  }

  taking(): Taking {
    // Looked at first: the grace runs while the node is held too.
    const drains = this.#drains()
    if (this.#holds > 0) return 'nothing'
    return drains ? 'unpins' : 'everything'
  }

  /** Nothing new is taken on until the hold is disposed of. */
  hold(): Disposable {
    this.#holds++
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (held) this.#holds--
        held = false
      },
    }
  }

  /** A drained node that starts again has no grace: it has nothing to go on with. */
  #drains(): boolean {
    const { state, graceMs, clock } = this.#parts
    const wanted = state()
    if (wanted === 'active') this.#drainingSinceMs = null
    else this.#drainingSinceMs ??= clock.now()
    if (wanted === 'drained') return true
    return this.#drainingSinceMs !== null && clock.now() - this.#drainingSinceMs >= graceMs
  }
}
