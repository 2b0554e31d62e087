import type { NodeId, OrgId, PinId } from './ids.ts'
import type { PinErrorCode } from './pin.ts'

/** `placements.state`: one content on one node. */
export const placementStates = ['queued', 'pinning', 'pinned', 'failed', 'unpinning'] as const
export type PlacementState = (typeof placementStates)[number]

/** Why a placement exists. */
export type PlacementReason = 'new' | 'drain' | 'node_down' | 'rebalance' | 'repair'

/**
 * A hint to a node to look at one placement. It may be lost, late or repeated: the row decides. `generation` names the intent. A hint whose
 * generation differs from the row's is dropped.
 */
export interface Job {
  cid: string
  nodeId: NodeId
  /** The org that asked first, for fair shares between orgs; null when no org waits (an unpin). */
  orgId: OrgId | null
  generation: number
  attempt: number
  /** Set when the work is under way already and this pin adds origins for it. It makes this hint different from the earlier ones. */
  wokenBy?: PinId
  /** The trace that the job is part of, in W3C Trace Context format. Set only where requests are traced. */
  traceparent?: string
}

/** A placement that is due now on a node, according to the store. */
export interface DuePlacement extends Job {
  state: 'queued' | 'unpinning'
}

/** What a worker may do now that its claim is committed. */
export interface Claim {
  cid: string
  generation: number
  /** `pin` it, or `unpin` it. */
  work: 'pin' | 'unpin'
  /** 1 for the first attempt. */
  attempt: number
  /** Origins offered by the orgs whose pins want the content, the org that asked first before the others. */
  origins: OfferedOrigins[]
  /** Addresses of the nodes that already hold it. */
  holders: string[]
  /** The row was left in the middle of an unpin or by a crash: look at `pin/ls` before finishing. */
  verify: boolean
  /** Milliseconds since the content was last asked for, by the database's clock. `pin.maxAge` bounds this. */
  ageMs: number
  foreignPin: boolean
}

/** Multiaddrs that an org's pins name: at most 20, each once, those of the newest pin first. */
export interface OfferedOrigins {
  orgId: OrgId
  origins: string[]
}

/** How an attempt ended. */
export type Outcome =
  | { kind: 'pinned'; blocks: number; bytes: number; foreignPin: boolean }
  | ({ kind: 'retry'; errorCode: PinErrorCode; error: string; delayMs: number } & Partial<Progress>)
  | { kind: 'failed'; errorCode: PinErrorCode; error: string }
  /** Handed back unfinished, because the node stops or the slot was needed. Does not count as an attempt. */
  | ({ kind: 'released' } & Partial<Progress>)
  | { kind: 'unpinned' }
  /** It was to be unpinned, but this is the last copy of content that pins want, so it stays pinned. */
  | { kind: 'kept' }

export interface Finish {
  cid: string
  generation: number
  outcome: Outcome
}

/** The progress of an attempt under way. */
export interface Progress {
  blocks: number
  bytes: number
}
