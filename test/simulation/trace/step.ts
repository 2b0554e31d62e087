import type { NodeId } from '../../../src/core/ids.ts'
import type { Finish } from '../../../src/core/placement.ts'
import type { Move } from '../../../src/core/plan.ts'
import type { Repair } from '../../../src/core/repair.ts'
import type { Epoch } from '../database.ts'
import type { NewPin } from '../pin-database.ts'

type Job = { cid: string; generation: number }

/** A call that only the leader makes. */
export type LeaderStep =
  | { do: 'requeueExpired' | 'releaseDue' | 'releaseHolds' | 'noteDrained' | 'settleMoves'; epoch: Epoch }
  | { do: 'noteDown'; epoch: Epoch; nodeId: NodeId; down: boolean }
  | { do: 'beginWalk'; epoch: Epoch; nodeId: NodeId }
  | { do: 'advanceWalk'; epoch: Epoch; nodeId: NodeId; afterCid: string | null }
  | { do: 'apply'; epoch: Epoch; repairs: Repair[] }
  | { do: 'startMoves'; epoch: Epoch; limit: number }

/** One call of a trace. Its generations and epochs are those of the model. */
export type Step =
  | LeaderStep
  | { do: 'accept'; pins: NewPin[] }
  | { do: 'replace'; old: string; pin: NewPin }
  | { do: 'remove'; orgId: string; id: string }
  | { do: 'boot'; nodeId: NodeId }
  | { do: 'voidClaims'; nodeId: NodeId; boot: number }
  | { do: 'claim'; nodeId: NodeId; boot: number; jobs: Job[] }
  | { do: 'extend'; nodeId: NodeId; boot: number; under: Job[] }
  | { do: 'finish'; nodeId: NodeId; boot: number; finishes: Finish[] }
  | { do: 'requeueMissing' | 'dropUnwanted'; nodeId: NodeId; cids: string[] }
  | { do: 'join' | 'drain' | 'uncordon' | 'forget'; nodeId: NodeId }
  | { do: 'plan'; moves: Move[] }
  | { do: 'elect' }
  /** The call while maintenance is on, which is then switched off again. */
  | { do: 'inMaintenance'; step: LeaderStep }
  | { do: 'pass'; ms: number }
  | { do: 'read' }

/** One of the two that a trace runs against. The answers to the same step must be equal. */
export interface Side {
  run(step: Step): Promise<unknown>
}

/** Times of a trace. No sum of passed times is near one of the others, so it does not matter how long a step itself takes. */
export const times = {
  /** Time passes in multiples of this. */
  passMs: 600_000,
  delayMs: 900_000,
  claimMs: 1_500_000,
  unpinGraceMs: 2_100_000,
}
