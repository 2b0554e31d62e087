import type { NodeState } from '../core/node.ts'
import type { SteadyClock } from '../core/ports.ts'
import type { Job } from '../core/placement.ts'

/**
 * The work that a pin worker may start now. `unpins`: its node gives up its content. `pins`: its database is restored, so it removes
 * nothing. `nothing`: both, or another worker needs Kubo for itself.
 */
export type Taking = 'everything' | 'unpins' | 'pins' | 'nothing'

/** Whether a worker that takes this may queue the job. With `nothing`, jobs wait in its memory. */
export function mayTake(taking: Taking, { orgId }: Pick<Job, 'orgId'>): boolean {
  if (taking === 'unpins') return orgId === null
  return taking !== 'pins' || orgId !== null
}

export interface IntakeParts {
  /** The state that operators want for this node. */
  state: () => NodeState
  /** How long a node that starts to drain continues with the pins that wait for it. */
  graceMs: number
  /** True while the node's database is restored and no operator has decided. */
  restored: () => boolean
  clock: Pick<SteadyClock, 'steadyMs'>
}

/** Decides what this node's pin worker may start, by the state that operators want for the node and by the holds on it. */
export class Intake {
  readonly #parts: IntakeParts
  #holds = 0
  #drainingSinceMs: number | null = null

  constructor(parts: IntakeParts) {
    this.#parts = parts
  }

  taking(): Taking {
    // Called first, because the grace period also runs while the node is held.
    const drains = this.#drains()
    if (this.#holds > 0) return 'nothing'
    if (this.#parts.restored()) return drains ? 'nothing' : 'pins'
    return drains ? 'unpins' : 'everything'
  }

  /** Nothing new is started until the hold is disposed. */
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

  /** A drained node that starts again has no grace period, because no pins wait for it. */
  #drains(): boolean {
    const { state, graceMs, clock } = this.#parts
    const wanted = state()
    if (wanted === 'active') this.#drainingSinceMs = null
    else this.#drainingSinceMs ??= clock.steadyMs()
    if (wanted === 'drained') return true
    return this.#drainingSinceMs !== null && clock.steadyMs() - this.#drainingSinceMs >= graceMs
  }
}
