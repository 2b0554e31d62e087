/**
 * Everything outside of `core`, on one page; logins, plans and measures have pages of their own (`login-ports.ts`, `plan-ports.ts`,
 * `measure-ports.ts`). Adapters (store, cluster, ipfs) implement these; `app/node.ts` joins them.
 * All methods reject with `AnchorageError`; a driver's own error never passes this line (it rides along as `cause`).
 */
import type { AuditId, KeyId, NodeId, OrgId, PinId, TokenId, UserId } from './ids.ts'
import type { Pin, PinPage, PinQuery, NewPin, WokenPlacement } from './pin.ts'
import type {
  Claim,
  DuePlacement,
  Finish,
  Job,
  OfferedOrigins,
  PlacementState,
  Progress,
} from './placement.ts'
import type { Degradation, Node } from './node.ts'
import type { Member, Org, OrgLimits, Role, Usage, User } from './org.ts'
import type { ContentCopies, Repair } from './repair.ts'
import type { ApiToken, SigningKey, TokenEnd } from './token.ts'

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
  removePin(orgId: OrgId, id: PinId, actor: TokenId | UserId): Promise<WokenPlacement[]>
  /** Nodes where more than 256 of the org's placements wait for their first attempt. */
  crowded(orgId: OrgId): Promise<NodeId[]>
  /** `not_found` when the org has none. */
  getPin(orgId: OrgId, id: PinId): Promise<Pin>
  /** `too_many` when the org lists too much at a time; rejects with `signal`'s reason when whoever asked has gone. */
  listPins(orgId: OrgId, query: PinQuery, signal?: AbortSignal): Promise<PinPage>
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
  /** Of the due placements only those to be unpinned: all that a node takes on that gives up its content. */
  dueUnpins(node: NodeIdentity, limit: number): Promise<DuePlacement[]>
  /** What is offered by now for a CID under way, by at most 16 orgs. */
  origins(cid: string): Promise<OfferedOrigins[]>
}

/** What one bounded step of the sweep did. `rows` is 0 once nothing is left to do; until then the step is taken again. */
export interface Swept {
  rows: number
  /** Placements to be looked at now. */
  jobs: Job[]
}

/**
 * What hints, crashes and time left behind, put right by the leader. Every call is one bounded transaction under `epoch`
 * (`not_leading` when the cluster's epoch is another by now) and changes nothing the second time.
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
  /** Work that was put by while an org was suspended, once that is resumed: what is worked for again is due now. */
  wakePutBy(epoch: number, limit: number): Promise<Swept>
  /** Reads only: placements due for longer than `overdueMs` with no claim, longest first; their hint was lost. */
  lostHints(overdueMs: number, limit: number): Promise<Job[]>
}

/** Orgs that are to be removed, as the leader removes them. */
export interface OrgRemovalStore {
  /**
   * One step, in a transaction under `epoch` (`not_leading`, and `maintenance` while that is on): of the org that was asked for first at most
   * `limit` pins go, as deleted ones do; when none is left, what else it has. `removed`: that was the last of it, and its audit alone stays.
   * Null when no org is to be removed.
   */
  removeSome(
    epoch: number,
    limit: number,
  ): Promise<{ orgId: OrgId; pins: number; removed: boolean; jobs: Job[] } | null>
}

/** Contents and nodes as the leader repairs them. Writes are fenced by `epoch` (`not_leading`) and refused in maintenance (`maintenance`). */
export interface RepairStore {
  /**
   * Contents that somebody marked to be looked at (an accept short of nodes, a full node, a copy that came to stand, fewer replicas
   * wanted), after `afterCid` ('' from the first), in the database's order: those that cannot be settled yet hold back no other.
   */
  unsettled(afterCid: string, limit: number): Promise<ContentCopies[]>
  /**
   * The nodes whose placements are to be walked, each with where its walk stands. A walk begins when a node starts draining, is
   * given up for down, or comes back (`beginWalk`), and survives the leader.
   */
  walks(): Promise<{ nodeId: NodeId; afterCid: string }[]>
  beginWalk(epoch: number, nodeId: NodeId): Promise<void>
  /** Contents with a placement on the node, after `afterCid` ('' from the first), in the database's order. */
  onNode(nodeId: NodeId, afterCid: string, limit: number): Promise<ContentCopies[]>
  /** Remembers how far the walk came; null: it is over. */
  advanceWalk(epoch: number, nodeId: NodeId, afterCid: string | null): Promise<void>
  /**
   * One transaction: adds, drops (to `unpinning`), loses and finds copies, folds the pins, audits each placement. A repair whose
   * `seen` is no longer so changes nothing and leaves its content unsettled. Returns what to hint.
   */
  apply(
    epoch: number,
    repairs: Repair[],
  ): Promise<{ jobs: Job[]; added: number; dropped: number; stale: number }>
  /** Copies under way that were not made for a new pin: how many, and their bytes as far as known. */
  moving(): Promise<{ copies: number; bytes: number }>
  /** `down`, and since when by its last sign, as the leader last noted it; to see that a node went or came back. */
  noteDown(epoch: number, nodeId: NodeId, down: boolean): Promise<void>
  downNodes(): Promise<NodeId[]>
  /** A draining node without placements is `drained` from now on; returns which became so. */
  noteDrained(epoch: number): Promise<NodeId[]>
}

/** Placements that a node still has: `left` is the sum of the others. */
export interface DrainProgress {
  left: number
  /** Whose copy elsewhere is under way. */
  moving: number
  /** That the leader is yet to look at, or that have no other place to go to. */
  waiting: number
  /** That the node is unpinning. */
  removing: number
  bytesLeft: number
}

/** What operators do to the cluster, audited with `actor`; system scope, and no leadership is needed. */
export interface OperatorStore {
  /** By TypeID or name; `not_found` when there is none. */
  node(idOrName: string): Promise<Node>
  /** No new content; what it has goes to others. Repeating it changes nothing. */
  drain(nodeId: NodeId, actor: string): Promise<void>
  uncordon(nodeId: NodeId, actor: string): Promise<void>
  /** Takes the node out of the book: `conflict` while it lives, or while it holds what is not pinned elsewhere. */
  forget(nodeId: NodeId, actor: string): Promise<void>
  /** Placements left on the node, and of these what each waits for; from one statement. */
  drainProgress(nodeId: NodeId): Promise<DrainProgress>
  maintenance(): Promise<Maintenance | null>
  /** `until` null: until switched off. */
  setMaintenance(
    on: { reason: string; ttlMs: number | null } | null,
    actor: string,
  ): Promise<Maintenance | null>
  /** Switches it off when its time is over; true when this call did. */
  endMaintenance(epoch: number): Promise<boolean>
  /** Every node's last report of itself, beside the node. */
  reports(): Promise<{ node: Node; report: NodeReport | null; reportedAt: Date | null }[]>
  /** Newest first, or oldest first after `after` when following. */
  audit(query: { limit: number; orgId?: OrgId; after?: AuditCursor }): Promise<AuditEntry[]>
  /** Entries of the denylist whose tokens are over anyway; returns how many went. */
  pruneDenylist(): Promise<number>
  /** The reconciler of a node stopped, at too many removals or at a restored database; this lets it go on once. */
  confirmReconcile(nodeId: NodeId, actor: string): Promise<void>
}

/** An operator's wish that nothing be repaired for a while. */
export interface Maintenance {
  reason: string
  actor: string
  since: Date
  /** Null: until switched off. */
  until: Date | null
}

/** What a node writes about itself beside `last_seen`, as operators see it. */
export interface NodeReport {
  version: string
  leader: { epoch: number } | null
  /** How long ago this node heard each other one, ms. */
  heard: Record<string, number>
  caches: Record<string, CacheStats>
  workers: {
    name: string
    endedAtMs: number | null
    tookMs: number | null
    failures: number
    report: object | null
  }[]
  pinning: object
  /** Why it is not at its best. */
  reasons: Degradation[]
  /** The reconciler waits for `admin reconcile --confirm` before it removes so many pins; null when it does not. */
  reconcileBlocked: number | null
}

/** What nodes remember of Postgres. */
export type CacheName = 'nodes' | 'tokens'

export interface CacheStats {
  size: number
  hits: number
  misses: number
  /** Invalidations heard from other nodes, and flushes after a reconnection. */
  invalidations: number
  flushes: number
  version: number
}

export interface AuditEntry {
  id: AuditId
  at: Date
  orgId: OrgId | null
  actor: string
  action: string
  target: string
  details: unknown
}

export type AuditCursor = Pick<AuditEntry, 'at' | 'id'>

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
  /** The database came from a backup, and no operator said yet that this node's pins are to follow it. */
  isRestored(node: NodeIdentity): Promise<boolean>
  /** An operator lets this node's reconciler go on, said less than `withinMs` ago. */
  isConfirmed(node: NodeIdentity, withinMs: number): Promise<boolean>
  /** The same, and uses it up: true for one caller only. */
  takeConfirmation(node: NodeIdentity, withinMs: number): Promise<boolean>
}

/** What collecting garbage in a node's Kubo must know first; used by that node. */
export interface GarbageStore {
  /** Content is queued here of which blocks came already, and not for want of room: collecting would throw them away. */
  hasHalfFetched(node: NodeIdentity): Promise<boolean>
  /** Takes or keeps the cluster's one turn to collect, for `forMs` of database time; false while another node has it. */
  takeTurn(node: NodeIdentity, forMs: number): Promise<boolean>
  /** Gives the turn back; nothing when it is another's by now. */
  endTurn(node: NodeIdentity): Promise<void>
}

/** What is kept for a while only. */
export interface PruneStore {
  /** Plans that were applied or cancelled and made longer ago than `olderThanMs`, at most `limit`, with their moves; returns how many went. */
  prunePlans(olderThanMs: number, limit: number): Promise<number>
}

/** The audit as a whole. */
export interface AuditStore {
  /**
   * Drops whole months for good, but the present one and the `months` before it (three at least), and at most `limit` lines as old that lie
   * outside of months; that it did so is a line of the audit itself. Returns which months (`YYYYMM`) and how many such lines went; what was in
   * use is left for the next time.
   */
  drop(months: number, limit: number): Promise<{ months: string[]; lines: number }>
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
  /** Where it goes by its own config in private networks, whatever the policy of origins says, in words; none when it does not. */
  followUps(signal: AbortSignal): Promise<string[]>
  /** Bytes on disk and the repository's limit. */
  repoStat(signal: AbortSignal): Promise<{ usedBytes: number; capacityBytes: number }>
  /**
   * Removes every block that no pin holds, of DAGs that are being fetched too; so the caller sees to it that none is. May take
   * minutes. `failed`: blocks that could not be removed.
   */
  collectGarbage(signal: AbortSignal): Promise<{ removed: number; failed: number }>
}

/** Requests that all nodes count together; system scope. */
export interface RateStore {
  /**
   * Counts one request under each key in turn, and under none after the first whose limit it passes; returns how many there were under each,
   * this one included, and when the count begins anew. Repeating it counts twice.
   */
  count(
    limits: readonly { key: string; perWindow: number }[],
    windowSeconds: number,
  ): Promise<{ counted: number; resetMs: number }[]>
  /** Whether somebody signed in from there within the last 30 days. */
  signedInFrom(network: string): Promise<boolean>
}

/** Operators' side of orgs, tokens and keys; system scope. */
export interface TokenStore {
  /** `not_found` when there is none. */
  orgBySlug(slug: string): Promise<OrgId>
  /**
   * `forbidden` when who makes it may not any more, judged under its own lock: a person that is no member with these scopes, a token that was
   * revoked. An operator's `cluster:admin` is such a scope. `forbidden` also for a suspended org. `conflict` when its key is not the active one any more: to be signed anew.
   * Returns when it was made, as lists will show it. `operator` is whom the audit names when no person's or token's doing it is.
   */
  insertToken(token: ApiToken, operator?: string): Promise<Date>
  /** Ends a token for good, and those that it made. Repeating it changes nothing. `not_found` when there is none. */
  revokeToken(id: TokenId, actor?: string): Promise<Revoked>
  /** The version of the newest change of what nodes remember: what an invalidation is published with. */
  cacheVersion(cache: CacheName): Promise<number>
  /** Null when the token was never minted here. `revoked` also when it stands on the denylist; `suspended` is the reason when its org is. */
  tokenState(
    id: TokenId,
  ): Promise<
    (Omit<ApiToken, 'id' | 'name' | 'createdBy'> & { revoked: boolean; suspended: string | null }) | null
  >
  /** Notes the last use, at most once a minute. */
  touchToken(id: TokenId): Promise<void>
  signingKeys(): Promise<SigningKey[]>
  /** Adds `key` as active; the key active before becomes `verify`. Retires as `retireKeys`; with `atOnce` every key but the new one, and its tokens end. */
  rotateKey(key: SigningKey, actor?: string, atOnce?: boolean): Promise<void>
  /** `verify` keys whose last token has been over for a while turn `retired`: their secrets go. Returns which did. */
  retireKeys(actor?: string): Promise<KeyId[]>
  /** How many tokens of all orgs are good now. */
  livingTokens(): Promise<number>
  /** Tokens that expired longer ago than `olderThanMs`, at most `limit`; returns how many went. */
  pruneTokens(olderThanMs: number, limit: number): Promise<number>
}

/** A token as its org sees it. */
export interface TokenView extends Omit<ApiToken, 'keyId'> {
  createdAt: Date
  lastUsedAt: Date | null
  revokedAt: Date | null
  /** What it is over by; null while it lives, by the database's clock. */
  endedBy: TokenEnd | null
}

/** What an org does with itself. Every call runs in that org's scope, as `PinStore`: another org's row does not exist. */
export interface OrgStore {
  /** `not_found` when there is none. */
  org(orgId: OrgId): Promise<Org>
  usage(orgId: OrgId): Promise<Usage>
  members(orgId: OrgId): Promise<Member[]>
  /**
   * Makes a user a member, or gives a member another role, from now on `manual`. `not_found` when no such user ever logged in; `conflict` when
   * the last owner would be none; `forbidden`, unless `by.owners`, when the user is an owner or is to be one. Tokens that the user made with
   * scopes beyond the new role are revoked with it, and so are those that these made: their ids, and the version for those who remember tokens.
   */
  setMember(orgId: OrgId, userId: UserId, role: Role, by: MemberActor): Promise<Revoked>
  /**
   * `not_found` when the user is no member; `conflict` for the last owner; `forbidden`, unless `by.owners`, for any owner. Revokes the tokens
   * that the user made, and those that these made.
   */
  removeMember(orgId: OrgId, userId: UserId, by: MemberActor): Promise<Revoked>
  /** Newest first, at most `limit`; only those that `createdBy` made, when given. Those over for long are left out once they are pruned. */
  tokens(orgId: OrgId, limit: number, createdBy?: UserId | TokenId): Promise<TokenView[]>
  /**
   * `not_found` when the org has none by that id (or `createdBy` did not make it). Those that it made go with it: else whoever found it would
   * keep what he made of it. Repeating it changes nothing.
   */
  revokeToken(orgId: OrgId, id: TokenId, actor: string, createdBy?: UserId | TokenId): Promise<Revoked>
  /** The org's own entries, newest first, those before `before` when given. */
  audit(orgId: OrgId, query: { limit: number; before?: AuditCursor }): Promise<AuditEntry[]>
}

/** Who changes a member. */
export interface MemberActor {
  actor: string
  /** May make, change and remove owners: is one, or an operator. */
  owners: boolean
}

/** Tokens that a change took along; each is to be told of with `version`. */
export interface Revoked {
  tokens: TokenId[]
  version: number
}

/** Operators' side of orgs and people; system scope. Audited with `actor`. */
export interface TenantStore {
  /** By TypeID or slug; `not_found` when there is none. */
  findOrg(idOrSlug: string): Promise<Org>
  /** In the order of slugs, after `afterSlug` ('' from the first). */
  orgs(afterSlug: string, limit: number): Promise<(Org & { usage: Usage })[]>
  /** `conflict` when the slug is taken, `invalid` when it is none. */
  createOrg(
    slug: string,
    options: { limits?: Partial<OrgLimits>; defaultReplicas?: number | null },
    actor: string,
  ): Promise<Org>
  /** Changes what is given; null lifts a limit. What the org has beyond a new limit it keeps. */
  setOrg(
    orgId: OrgId,
    change: Partial<OrgLimits> & { defaultReplicas?: number | null },
    actor: string,
  ): Promise<Org>
  /** Its tokens and sessions are refused within two seconds; what it waits for is put by. `conflict` while it is being removed. */
  suspendOrg(orgId: OrgId, reason: string, actor: string): Promise<Org>
  /** Undoes that. Repeating it changes nothing. `conflict` while it is being removed. */
  resumeOrg(orgId: OrgId, actor: string): Promise<Org>
  /** Suspends it for good; the leader removes it from now on. Repeating it changes nothing. */
  removeOrg(orgId: OrgId, actor: string): Promise<Org>
  /** Those that a person is a member of, in the order of slugs. */
  orgsOf(userId: UserId): Promise<(Org & { usage: Usage; role: Role })[]>
  /** In the order of ids, after `afterId` ('' from the first). */
  users(afterId: string, limit: number): Promise<User[]>
}
