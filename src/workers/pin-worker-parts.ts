import type { NodeIdentity } from '../core/node.ts'
import type { Claim, Outcome } from '../core/placement.ts'
import type { Bus, Ipfs, Log, PlacementStore, SteadyClock } from '../core/ports.ts'
import type { AttemptTrace } from '../core/tracing.ts'
import type { Taking } from './intake.ts'
import type { Room } from './room.ts'

/** The dependencies of a pin worker. */
export interface PinWorkerParts {
  identity: NodeIdentity
  bus: Bus
  placements: PlacementStore
  ipfs: Ipfs
  clock: SteadyClock
  log: Log
  /** Traces each attempt. */
  trace: AttemptTrace
  options: PinWorkerOptions
  random?: () => number
  /** True while the API needs the machine more: then only a sixteenth of the slots start work. */
  hold?: () => boolean
  /** The work that the worker may start now; everything when left out. */
  taking?: () => Taking
  room?: Room
  /** Asked between a claim and its unpin: while true, nothing is unpinned. Never when left out. */
  isRestored?: () => Promise<boolean>
  /** Called with how each attempt ended, and how long after its claim. */
  onEnd?: (claim: Claim, outcome: Outcome, tookMs: number) => void
}

/** The `pin.…` options of the config. */
export interface PinWorkerOptions {
  concurrency: number
  stallTimeoutMs: number
  minRateBytes: number
  maxAgeMs: number
  backoffMinMs: number
  backoffMaxMs: number
  pollIntervalMs: number
}
