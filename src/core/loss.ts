import type { OrgId } from './ids.ts'

/** A content that pins want and that is pinned on one node alone. */
export interface SoleContent {
  cid: string
  bytes: number
  /** How many pins want it, and of how many orgs. */
  pins: number
  orgs: number
}

/** One step of a walk over a node's placements. */
export interface SoleContents {
  contents: SoleContent[]
  /** The orgs whose pins want them. */
  orgs: OrgId[]
  /** How many placements the step read. */
  seen: number
  /** The CID to go on from; null when the walk is over. */
  last: string | null
}

/** What is lost if a node never comes back: the contents that no other node has, and the pins that want them. */
export interface Loss {
  contents: number
  pins: number
  orgs: number
  bytes: number
}
