import type { NodeId, OrgId, PinId } from './ids.ts'

/** The four states of the Pinning Services API, also the text in `pins.status`. */
export const pinStatuses = ['queued', 'pinning', 'pinned', 'failed'] as const
export type PinStatus = (typeof pinStatuses)[number]

/** How the `name` filter compares names. */
export const nameMatches = ['exact', 'iexact', 'partial', 'ipartial'] as const
export type NameMatch = (typeof nameMatches)[number]

/** Why content is not pinned (yet): a closed set, shown as `info.error_code`. */
export const pinErrorCodes = [
  'not_found_in_time',
  'stalled',
  'too_big',
  'bad_origin',
  'node_full',
  'bad_content',
  'crashed',
  'lost',
  'kubo_down',
  'kubo_error',
] as const
export type PinErrorCode = (typeof pinErrorCodes)[number]

/** The request of a client: the validated body of `POST /pins`. `cid` is spelled as the client sent it. */
export interface PinRequest {
  cid: string
  name?: string
  /** As they were sent. Only the usable ones are kept. */
  origins?: string[]
  meta?: Record<string, string>
}

/** One pin as its org sees it. */
export interface Pin {
  id: PinId
  status: PinStatus
  /** Unique and strictly increasing within the org, with a resolution of one millisecond. */
  created: Date
  /** Spelled as the client sent it. */
  cid: string
  name?: string
  origins?: string[]
  meta?: Record<string, string>
  /** 1 to 20 multiaddrs, each ending in `/p2p/…`. */
  delegates: string[]
  /**
   * `status_details` and `replicas`; where they apply `copies`, `error_code`, `attempts`, `next_retry`, `blocks`, `bytes`, `dag_size`.
   * `origins_passed_over` only in the answer to the request that sent the origins.
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

/** Whether a list has to read more rows than its page. Without these filters an index gives exactly the page. */
export function searchesFor({ cids, name, meta }: PinQuery): boolean {
  return cids !== undefined || name !== undefined || Object.keys(meta ?? {}).length > 0
}

/** One page, newest first, and the total number of matching pins. */
export interface PinPage {
  count: number
  results: Pin[]
}

/** A pin on its way into the store. Its id and nodes are fixed before the transaction, so that the transaction can be repeated. */
export interface NewPin {
  id: PinId
  /** Canonical. `cidText` is the client's spelling. */
  cid: string
  cidText: string
  name?: string
  origins?: string[]
  /** A description of the origins that were sent and not kept. */
  originsPassedOver?: string
  meta?: Record<string, string>
  /** Null: the org's default. */
  replicas: number | null
  /** Who asked, for the audit: a token, a user, or an operator. */
  actor: string
  /**
   * The nodes that take content now, best first. The first `replicas` of them that do not hold it yet are used. With too few nodes the pin
   * is accepted all the same, and repair adds the missing copies.
   */
  nodes: NodeId[]
}

/** A placement that the accepting transaction created or woke. Its node gets a hint. */
export interface WokenPlacement {
  cid: string
  nodeId: NodeId
  orgId: OrgId
  generation: number
  attempt: number
  /** As in `Job`. */
  wokenBy?: PinId
}

/** The outcome for one pin of an accepted batch. */
export type Accepted = { pin: Pin; woken: WokenPlacement[] } | { error: Error }
