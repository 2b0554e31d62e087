import type { NodeId, OrgId, PinId, TokenId, UserId } from './ids.ts'

/** The four states that the Pinning Services API knows; also the text kept in `pins.status`. */
export const pinStatuses = ['queued', 'pinning', 'pinned', 'failed'] as const
export type PinStatus = (typeof pinStatuses)[number]

/** How the `name` filter compares. */
export const nameMatches = ['exact', 'iexact', 'partial', 'ipartial'] as const
export type NameMatch = (typeof nameMatches)[number]

/** Why content is not (yet) pinned: a closed set, shown as `info.error_code`. */
export const pinErrorCodes = [
  'not_found_in_time',
  'stalled',
  'too_big',
  'bad_origin',
  'node_full',
  'bad_content',
  'crashed',
  'kubo_down',
  'kubo_error',
] as const
export type PinErrorCode = (typeof pinErrorCodes)[number]

/** What a client asks for: the body of `POST /pins`, validated. `cid` is as the client spelled it. */
export interface PinRequest {
  cid: string
  name?: string
  /** As they were sent; those that can be used are kept. */
  origins?: string[]
  meta?: Record<string, string>
}

/** One pin as its org sees it. */
export interface Pin {
  id: PinId
  status: PinStatus
  /** Unique and strictly increasing in its org at millisecond resolution. */
  created: Date
  /** As the client spelled it. */
  cid: string
  name?: string
  origins?: string[]
  meta?: Record<string, string>
  /** 1 to 20 multiaddrs, each ending in `/p2p/…`. */
  delegates: string[]
  /**
   * `status_details`, `replicas`, and where they apply `copies`, `error_code`, `attempts`, `next_retry`, `blocks`, `bytes`, `dag_size`;
   * `origins_passed_over` in the answer to the request that sent them.
   */
  info: Record<string, string>
}

/** The filters of `GET /pins`, validated. `before` and `after` are exclusive, in milliseconds since 1970 (fractions allowed). */
export interface PinQuery {
  limit: number
  before?: number
  after?: number
  /** Canonical CIDs. */
  cids?: string[]
  name?: string
  match?: NameMatch
  statuses?: PinStatus[]
  meta?: Record<string, string>
}

/** Whether a list reads more than its page, which an index gives. */
export function searchesFor({ cids, name, meta }: PinQuery): boolean {
  return cids !== undefined || name !== undefined || Object.keys(meta ?? {}).length > 0
}

/** One page, newest first, and how many pins match in all. */
export interface PinPage {
  count: number
  results: Pin[]
}

/** A pin on its way into the store: ids and nodes are settled before the transaction, so that it can be tried again. */
export interface NewPin {
  id: PinId
  /** Canonical; `cidText` is the client's spelling. */
  cid: string
  cidText: string
  name?: string
  origins?: string[]
  /** Which of those that were sent are not among them, in words. */
  originsPassedOver?: string
  meta?: Record<string, string>
  /** Null: as many as is usual for its org. */
  replicas: number | null
  /** Who asked, for the audit. */
  actor: TokenId | UserId
  /**
   * The nodes that take content now, best first; the first `replicas` not yet holding it are used. With too few of them the pin is
   * accepted all the same, and repair adds what is missing.
   */
  nodes: NodeId[]
}

/** A placement that the accepting transaction made or woke, to be hinted to its node. */
export interface WokenPlacement {
  cid: string
  nodeId: NodeId
  orgId: OrgId
  generation: number
  attempt: number
  /** As in a job. */
  wokenBy?: PinId
}
