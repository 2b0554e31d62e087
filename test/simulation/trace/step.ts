import type { Epoch } from '../../../src/core/epoch.ts'
import type { NodeId } from '../../../src/core/ids.ts'
import type { Away, Inability } from '../../../src/core/node.ts'
import type { Finish } from '../../../src/core/placement.ts'
import type { Move } from '../../../src/core/plan.ts'
import type { Repair } from '../../../src/core/repair.ts'
import type { NewPin } from '../pin-database.ts'

type Job = { cid: string; generation: number }

/** A call that only the leader makes. */
export type LeaderStep =
  | { do: 'requeueExpired' | 'releaseDue' | 'releaseHolds' | 'noteDrained' | 'settleMoves'; epoch: Epoch }
  | { do: 'noteDown'; epoch: Epoch; nodeId: NodeId; down: boolean }
  | { do: 'noteAway'; epoch: Epoch; nodeId: NodeId; what: Away['what'] }
  | { do: 'noteHeard'; epoch: Epoch; nodeId: NodeId }
  | { do: 'advanceWalk'; epoch: Epoch; nodeId: NodeId; afterCid: string | null }
  | { do: 'apply'; epoch: Epoch; repairs: Repair[] }
  | { do: 'startMoves'; epoch: Epoch; limit: number }

/** One call of a trace. Its generations are those of the model. */
export type Step =
  | LeaderStep
  | { do: 'accept'; pins: NewPin[] }
  | { do: 'replace'; old: string; pin: NewPin }
  | { do: 'remove'; orgId: string; id: string }
  | { do: 'boot'; nodeId: NodeId }
  | { do: 'see'; nodeId: NodeId; boot: number; unable: Inability | null }
  | { do: 'voidClaims'; nodeId: NodeId; boot: number }
  | { do: 'claim'; nodeId: NodeId; boot: number; jobs: Job[] }
  | { do: 'extend'; nodeId: NodeId; boot: number; under: Job[] }
  | { do: 'finish'; nodeId: NodeId; boot: number; finishes: Finish[] }
  | { do: 'requeueMissing' | 'dropUnwanted'; nodeId: NodeId; cids: string[] }
  | { do: 'join' | 'drain' | 'uncordon'; nodeId: NodeId }
  | { do: 'forget'; nodeId: NodeId; acceptLoss: boolean }
  | { do: 'plan'; moves: Move[] }
  /** A node takes the epoch after `seen`. */
  | { do: 'elect'; seen: Epoch; termId: string }
  /** The call while maintenance is on, which is then switched off again. */
  | { do: 'inMaintenance'; step: LeaderStep }
  /** The database goes back to an epoch that it had before, or an operator changes its number. */
  | { do: 'setEpoch'; epoch: Epoch }
  | { do: 'pass'; ms: number }
  | { do: 'read' }

/** One of the two that a trace runs against. The answers to the same step must be equal. */
export interface Side {
  run(step: Step): Promise<unknown>
}

/**
 * Times of a trace. No sum of passed times is near one of the others, so it does not matter how long the steps between two passes take.
 * A claim of more than a minute would not count as one.
 */
export const times = {
  /** Time passes in multiples of this. */
  passMs: 40_000,
  delayMs: 60_000,
  claimMs: 20_000,
  unpinGraceMs: 100_000,
}
