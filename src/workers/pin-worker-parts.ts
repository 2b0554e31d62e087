import type { Claim, Outcome } from '../core/placement.ts'
import type { Bus, Clock, Ipfs, Log, NodeIdentity, PlacementStore } from '../core/ports.ts'
import type { AttemptTrace } from '../core/tracing.ts'
import type { Taking } from './intake.ts'
import type { Room } from './room.ts'

/** Everything a pin worker is made of. */
export interface PinWorkerParts {
  identity: NodeIdentity
  bus: Bus
  placements: PlacementStore
  ipfs: Ipfs
  clock: Clock
  log: Log
  /** Follows each attempt. */
  trace: AttemptTrace
  options: PinWorkerOptions
  random?: () => number
  /** True while the API needs the machine more: then only a sixteenth of the slots take on work. */
  hold?: () => boolean
  /** What may be taken on now; everything when left out. */
  taking?: () => Taking
  room?: Room
  /** Told how each attempt ended, and how long after its claim. */
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
