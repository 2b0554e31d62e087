/**
 * Everything outside of `core`, on one page. Adapters (store, cluster, ipfs) implement these; `app/node.ts` joins them.
 * All methods reject with `AnchorageError`; a driver's own error never passes this line (it rides along as `cause`).
 */
import type { OrgId, NodeId, PinId, TokenId } from './ids.ts'
import type { Pin, PinPage, PinQuery, NewPin, WokenPlacement } from './pin.ts'
import type { Claim, DuePlacement, Finish, Job, PlacementState, Progress } from './placement.ts'
import type { Node } from './node.ts'
import type { ApiToken, SigningKey } from './token.ts'

/** Milliseconds; injected so that tests need not sleep. */
export interface Clock {
  /** Wall clock, ms since 1970. */
  now(): number
  /** Resolves after `ms`, or rejects at once with the signal's reason when it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** Structured log (pino's shape): fields first, then a sentence that a person can act on. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}

/** How one pin of an accepting batch fared. */
export type Accepted = { pin: Pin; woken: WokenPlacement[] } | { error: Error }

/** What an org may do with its pins. Every call runs in that org's scope: another org's row does not exist. */
export interface PinStore {
  /**
   * One transaction for the whole batch: content, pins, missing placements, counts, audit. Safe to repeat with the same ids,
   * with `again`. Outcomes are per pin. Rejects `unavailable` when Postgres cannot be reached, `too_many` when `created` ran too far ahead.
   */
  acceptPins(orgId: OrgId, pins: NewPin[], again: boolean): Promise<Accepted[]>
  /** Removes `old` and accepts `pin` in one transaction; `not_found` (and nothing added) when the org has no `old`. Safe to repeat. */
  replacePin(
    orgId: OrgId,
    old: PinId,
    pin: NewPin,
    again: boolean,
  ): Promise<{ pin: Pin; woken: WokenPlacement[] }>
  /** Removes a pin in any state; `not_found` when the org has none. Returns the placements to look at now (aborts, unpins). */
  removePin(orgId: OrgId, id: PinId, actor: TokenId): Promise<WokenPlacement[]>
  /** Nodes where more than 256 of the org's placements wait for their first attempt. */
  crowded(orgId: OrgId): Promise<NodeId[]>
  /** `not_found` when the org has none. */
  getPin(orgId: OrgId, id: PinId): Promise<Pin>
  listPins(orgId: OrgId, query: PinQuery): Promise<PinPage>
}

/** The placements of one node; used by that node's workers. */
export interface PlacementStore {
  /**
   * Claims what may be claimed now (generation matches, due, no live claim) and leaves out the rest. In input order.
   * The claim lives `leaseMs` of database time unless extended.
   */
  claim(node: NodeIdentity, jobs: Pick<Job, 'cid' | 'generation'>[], leaseMs: number): Promise<Claim[]>
  /** Extends claims and records progress; returns the CIDs whose intent changed (stop them). */
  extend(
    node: NodeIdentity,
    under: (Pick<Claim, 'cid' | 'generation'> & Progress)[],
    leaseMs: number,
  ): Promise<string[]>
  /** Records outcomes, re-folds the pins of those CIDs. A stale generation changes nothing but ends its claim. */
  finish(node: NodeIdentity, finishes: Finish[]): Promise<WokenPlacement[]>
  /** Due placements of this node, at most `perOrg` of any org and `limit` in all, fresh ones before retries. */
  due(node: NodeIdentity, perOrg: number, limit: number): Promise<DuePlacement[]>
  /** Origins offered since for a CID under way. */
  origins(cid: string): Promise<string[]>
}

/** What one bounded step of the sweep did. `rows` is 0 once nothing is left to do; until then the step is taken again. */
export interface Swept {
  rows: number
  /** Placements to be looked at now. */
  jobs: Job[]
}

/**
 * What hints, crashes and time left behind, put right by the leader. Every call is one bounded transaction under `epoch`
 * (`conflict` when the cluster's epoch is another by now) and changes nothing the second time.
 */
export interface SweepStore {
  /**
   * Claims whose time ran out, or whose incarnation is older than their node's, with neither finish nor release: each counts as a
   * crash and is due again; five crashes in a row make it `failed` with `crashed`.
   */
  requeueExpiredClaims(epoch: number, limit: number): Promise<Swept>
  /** Contents whose `unpin_after` passed and that no pin wants (asked again under the lock): their placements turn `unpinning`. */
  releaseDue(epoch: number, limit: number): Promise<Swept>
  /** Content that a replace held and whose new pin stands (or is gone): the hold ends, unwanted content is stamped `unpin_after`. */
  releaseHolds(epoch: number, limit: number): Promise<Swept>
  /** Folds that a finish left unfinished (content with very many pins): the next `limit` pins get their status. */
  finishFolds(epoch: number, limit: number): Promise<Swept>
  /** Reads only: placements due for longer than `overdueMs` with no claim, longest first; their hint was lost. */
  lostHints(overdueMs: number, limit: number): Promise<Job[]>
}

/** One node's placements beside what its Kubo has; used by that node's reconciler. */
export interface ReconcileStore {
  /** The states of this node's placements of `cids`; a CID without one is left out. */
  placementsOf(node: NodeIdentity, cids: string[]): Promise<{ cid: string; state: PlacementState }[]>
  /** This node's `pinned` placements in the database's order of CIDs, after `afterCid` (null: from the first). */
  walk(node: NodeIdentity, afterCid: string | null, limit: number): Promise<string[]>
  /** Those still `pinned` under the contents lock are queued again (`repair`, a new generation). Returns what to look at. */
  requeueMissing(node: NodeIdentity, cids: string[]): Promise<Job[]>
  /** Those without a placement here under the contents lock get one in `unpinning`. Returns what to look at. */
  dropUnwanted(node: NodeIdentity, cids: string[]): Promise<Job[]>
}

/** This process: its node and which boot of it. Claims of an older incarnation are void. */
export interface NodeIdentity {
  nodeId: NodeId
  incarnation: number
}

/** The messages between nodes. Nothing here is needed for truth; everything here is a hint. */
export interface Bus {
  /** Publishes hints with `Nats-Msg-Id = cid:node:generation:attempt`; rejects `unavailable` while JetStream cannot take them. */
  publishJobs(jobs: Job[]): Promise<void>
  /**
   * Hands over this node's jobs until `signal` aborts, reconnecting for ever. `onJob` resolves when the row was looked at
   * (claimed or dropped); then the job is acknowledged. At most `maxPending` are handed over and not yet resolved.
   */
  consumeJobs(
    nodeId: NodeId,
    maxPending: number,
    onJob: (job: Job) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>
  /** Null while JetStream answers; else why it does not. */
  trouble(): string | null
}

/** Who is there: heartbeats in, a live map of nodes out. */
export interface Presence {
  /** All known nodes; `live` when either its heartbeat or its `last_seen` is fresh. */
  nodes(): readonly Node[]
}

/**
 * This node's Kubo. Pins carry `name` (the cluster's id); pins with another name are foreign and stay untouched.
 * The caller keeps one write (`pin`, `unpin`) per CID at a time: Kubo may say yes to both of a concurrent pair and end
 * unpinned. An aborted write may still take effect. All reject with `IpfsError`, or with the signal's reason once it aborts.
 */
export interface Ipfs {
  /**
   * Pins recursively under our name; resolves only once Kubo said that the pin stands. A pin that stood before is left as it
   * is: `foreignPin` when it is not ours. Aborting stops Kubo fetching at once. `onProgress` is a sign of life about twice a
   * second, also while nothing moves.
   */
  pin(
    cid: string,
    options: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ): Promise<Progress & { foreignPin: boolean }>
  /** Removes our recursive pin; `absent` when there is none, `foreign` (and nothing done) when its name is not ours. */
  unpin(cid: string, signal: AbortSignal): Promise<'unpinned' | 'absent' | 'foreign'>
  /** Whose recursive pin of `cid` stands, if any. */
  pinned(cid: string, signal: AbortSignal): Promise<'ours' | 'foreign' | null>
  /** All recursive pins. */
  pins(signal: AbortSignal): AsyncIterable<{ cid: string; ours: boolean }>
  /** Dials a stranger's multiaddr; `bad_origin` when it cannot, and, for good and without asking Kubo, when the policy forbids it. */
  connect(origin: string, signal: AbortSignal): Promise<void>
  /** Dials another node's Kubo at an address that the node itself announced: no policy, private networks are usual. */
  connectSibling(multiaddr: string, signal: AbortSignal): Promise<void>
  /** Peer id and the addresses it listens on, each ending in `/p2p/…`; rejects when this Kubo is too old to work with. */
  identity(signal: AbortSignal): Promise<{ peerId: string; multiaddrs: string[]; version: string }>
  /** Bytes on disk and the repository's limit. */
  repoStat(signal: AbortSignal): Promise<{ usedBytes: number; capacityBytes: number }>
}

/** Operators' side of orgs, tokens and keys; system scope. */
export interface TokenStore {
  /** `conflict` when the slug is taken. */
  createOrg(slug: string): Promise<OrgId>
  /** `not_found` when there is none. */
  orgBySlug(slug: string): Promise<OrgId>
  insertToken(token: ApiToken): Promise<void>
  /** Null when the token was never minted here. `revoked` also when it stands on the denylist. */
  tokenState(id: TokenId): Promise<{ orgId: OrgId; revoked: boolean } | null>
  /** Notes the last use, at most once a minute. */
  touchToken(id: TokenId): Promise<void>
  signingKeys(): Promise<SigningKey[]>
  /** Adds `key` as active; the key active before becomes `verify`. Verify keys older than every token they signed are retired. */
  rotateKey(key: SigningKey): Promise<void>
}
