/**
 * Everything outside of `core`. Logins, plans and measures have files of their own (`login-ports.ts`, `plan-ports.ts`, `measure-ports.ts`).
 * Adapters (store, cluster, ipfs) implement these interfaces; `app/node.ts` joins them. All methods reject with `AnchorageError`. A
 * driver's own error never crosses this boundary, except as `cause`.
 */
import type { AuditEntry, AuditCursor } from './audit.ts'
import type { CacheName } from './cache-stats.ts'
import type { DrainProgress } from './drain.ts'
import type { Epoch } from './epoch.ts'
import type { KeyId, NodeId, OrgId, PinId, TokenId, UserId } from './ids.ts'
import type { Loss, SoleContents } from './loss.ts'
import type { Maintenance } from './maintenance.ts'
import type { RestoreState } from './marks.ts'
import type { NodeReport } from './node-report.ts'
import type { Pin, PinPage, PinQuery, NewPin, WokenPlacement, Accepted } from './pin.ts'
import type {
  Claim,
  DuePlacement,
  Finish,
  Job,
  OfferedOrigins,
  PlacementState,
  Progress,
} from './placement.ts'
import type { Away, Node, NodeIdentity } from './node.ts'
import type { Member, Org, OrgLimits, Role, Usage, User, MemberActor } from './org.ts'
import type { ContentCopies, Repair } from './repair.ts'
import type { ApiToken, SigningKey, TokenView, Revoked } from './token.ts'

/** A clock that cannot be set, for durations. It is injected so that tests need not sleep. */
export interface SteadyClock {
  /** Milliseconds since an arbitrary moment. */
  steadyMs(): number
  /** Resolves after `ms`. Rejects at once with the signal's reason when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** Also tells the date, for dates alone: operators and NTP set it, so the difference of two readings is no duration. */
export interface Clock extends SteadyClock {
  /** Wall clock, ms since 1970. */
  now(): number
}

/** Structured log (pino's shape): fields first, then a sentence that a person can act on. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}

/** What an org may do with its pins. Every call runs in that org's scope: another org's row does not exist. */
export interface PinStore {
  /**
   * One transaction for the whole batch: content, pins, missing placements, counts, audit. With `again` it is safe to repeat with the same
   * ids. Each pin has its own outcome. Rejects `unavailable` when Postgres cannot be reached, and `too_many` when the org's `created` times
   * are too far ahead of the clock.
   */
  acceptPins(orgId: OrgId, pins: NewPin[], again: boolean): Promise<Accepted[]>
  /** Removes `old` and accepts `pin` in one transaction. `not_found`, and nothing is added, when the org has no `old`. Safe to repeat. */
  replacePin(
    orgId: OrgId,
    old: PinId,
    pin: NewPin,
    again: boolean,
  ): Promise<{ pin: Pin; woken: WokenPlacement[] }>
  /** Removes a pin in any state. `not_found` when the org has no such pin. Returns the placements to look at now (aborts, unpins). */
  removePin(orgId: OrgId, id: PinId, actor: TokenId | UserId): Promise<WokenPlacement[]>
  /** The nodes where more than 256 of the org's placements wait for their first attempt. */
  crowded(orgId: OrgId): Promise<NodeId[]>
  /** `not_found` when the org has no such pin. */
  getPin(orgId: OrgId, id: PinId): Promise<Pin>
  /** `too_many` when the org runs too many lists at a time. Rejects with `signal`'s reason when the client has gone. */
  listPins(orgId: OrgId, query: PinQuery, signal?: AbortSignal): Promise<PinPage>
}

/** The placements of one node, used by that node's workers. */
export interface PlacementStore {
  /**
   * Claims the jobs that may be claimed now (generation matches, due, no live claim) and leaves out the others. Returns claims in input
   * order. A claim ends after `claimMs` of database time unless it is extended.
   */
  claim(node: NodeIdentity, jobs: Pick<Job, 'cid' | 'generation'>[], claimMs: number): Promise<Claim[]>
  /** Extends claims and records progress. Returns the CIDs whose intent changed, which are to be stopped. */
  extend(
    node: NodeIdentity,
    under: (Pick<Claim, 'cid' | 'generation'> & Progress)[],
    claimMs: number,
  ): Promise<string[]>
  /** Records outcomes and updates the status of the pins of those CIDs. For an old generation it only ends the claim. */
  finish(node: NodeIdentity, finishes: Finish[]): Promise<WokenPlacement[]>
  /**
   * Due placements of this node, at most `perOrg` of any org and `limit` in all, of which at most a quarter are retries. Each org is
   * visited in turn, so ask for no more than `retries` retries if only so many can be kept: those of the others keep their turn.
   */
  due(node: NodeIdentity, perOrg: number, limit: number, retries?: number): Promise<DuePlacement[]>
  /** Only the due placements that are to be unpinned: a node that gives up its content takes on nothing else. */
  dueUnpins(node: NodeIdentity, limit: number): Promise<DuePlacement[]>
  /** The origins offered by now for a CID under way, by at most 16 orgs. */
  origins(cid: string): Promise<OfferedOrigins[]>
  /** Those of `cids` that pins want and of which no other node has a copy that counts. */
  lastCopies(node: NodeIdentity, cids: string[]): Promise<string[]>
}

/** The epochs of leaders. */
export interface EpochStore {
  /** The present epoch. */
  present(): Promise<Epoch>
  /**
   * Takes the epoch after `seen` for the term `termId`, a random id. Null, and nothing changes, when `seen` is no longer the present epoch.
   * So a call that is carried out late never ends the term of another leader.
   */
  take(seen: Epoch, termId: string): Promise<Epoch | null>
}

/** The result of one bounded step of the sweep. The step is repeated until `rows` is 0, when nothing is left to do. */
export interface Swept {
  rows: number
  /** Placements to look at now. */
  jobs: Job[]
}

/**
 * Repairs by the leader of what lost hints, crashes and elapsed time leave behind. Every call is one bounded transaction under `epoch`
 * (`not_leading` when the cluster has another epoch by now) and changes nothing the second time.
 */
export interface SweepStore {
  /**
   * Claims that expired or belong to an older incarnation of their node, and were neither finished nor released, are due again. One of an
   * older incarnation counts as a crash; after five in a row the placement is `failed` with `crashed`. The process whose claim only expired
   * may go on with it: while Postgres is away, no claim can be extended.
   */
  requeueExpiredClaims(epoch: Epoch, limit: number): Promise<Swept>
  /** Contents whose `unpin_after` has passed and that no pin wants (checked again under the lock): their placements become `unpinning`. */
  releaseDue(epoch: Epoch, limit: number): Promise<Swept>
  /**
   * Content that a replace keeps until the new pin is pinned (or gone). Ends the hold and stamps content that no pin wants with
   * `unpin_after`.
   */
  releaseHolds(epoch: Epoch, limit: number): Promise<Swept>
  /** Continues status updates that a finish left incomplete, for content with very many pins: the next `limit` pins get their status. */
  finishFolds(epoch: Epoch, limit: number): Promise<Swept>
  /** Times that lie further ahead than they can, because the database's clock was ahead when they were written. */
  boundTimes(epoch: Epoch, limit: number): Promise<Swept>
  /** Work that was paused while an org was suspended. Once the org is resumed, its work is due now. */
  wakePutBy(epoch: Epoch, limit: number): Promise<Swept>
  /** Only reads: placements that have been due for longer than `overdueMs` without a claim, longest first. Their hint was lost. */
  lostHints(overdueMs: number, limit: number): Promise<Job[]>
}

/** Orgs that the leader is to remove. */
export interface OrgRemovalStore {
  /**
   * One step, in a transaction under `epoch` (`not_leading`, and `maintenance` while that is on). It works on the org whose removal was
   * requested first. It removes at most `limit` pins, as if they were deleted; when no pin is left, it removes the other data. `removed` is
   * true when nothing but the org's audit is left. Null when no org is to be removed.
   */
  removeSome(
    epoch: Epoch,
    limit: number,
  ): Promise<{ orgId: OrgId; pins: number; removed: boolean; jobs: Job[] } | null>
}

/**
 * Contents and nodes, as the leader repairs them. Writes are fenced by `epoch` (`not_leading`) and refused in maintenance (`maintenance`).
 */
export interface RepairStore {
  /**
   * Contents marked for repair (by an accept with too few nodes, a full node, a newly pinned copy, or fewer wanted replicas), after
   * `afterCid` ('': from the first), in the database's order. Contents that cannot be settled yet do not block others.
   */
  unsettled(afterCid: string, limit: number): Promise<ContentCopies[]>
  /**
   * The nodes whose placements are to be walked, each with the position of its walk. A walk begins when a node starts to drain, stops to
   * work, is declared down, or comes back, and outlives its leader.
   */
  walks(): Promise<{ nodeId: NodeId; afterCid: string }[]>
  /** Contents with a placement on the node, after `afterCid` ('': from the first), in the database's order. */
  onNode(nodeId: NodeId, afterCid: string, limit: number): Promise<ContentCopies[]>
  /** Saves how far the walk has come; null when it is finished. */
  advanceWalk(epoch: Epoch, nodeId: NodeId, afterCid: string | null): Promise<void>
  /**
   * One transaction: adds copies, drops them (to `unpinning`), marks them lost or found, updates the status of the pins, audits each
   * placement. A repair whose `seen` no longer matches changes nothing and leaves its content unsettled. Returns the jobs to hint.
   */
  apply(
    epoch: Epoch,
    repairs: Repair[],
  ): Promise<{ jobs: Job[]; added: number; dropped: number; stale: number }>
  /** The number of copies under way on live nodes that were not made for a new pin, and their bytes as far as known. */
  moving(): Promise<{ copies: number; bytes: number }>
  /**
   * Contents that wait on the node for an attempt, in an order of the store, after the place `after` ('': from the first); and the place of
   * the last of them, null at the end. Contents that were put by are left out.
   */
  waitingOn(
    nodeId: NodeId,
    after: string,
    limit: number,
  ): Promise<{ contents: ContentCopies[]; after: string | null }>
  /** Records whether a node is down, and since when, so that a later leader sees which nodes went down or came back. */
  noteDown(epoch: Epoch, nodeId: NodeId, down: boolean): Promise<void>
  /**
   * Records that a node does not work, until its own sign of life says otherwise, and begins a walk over it, unless one is under way or the
   * node is down. Accepts now prefer other nodes, and mark the contents that they put on this one. So the walk and the marks miss none.
   */
  noteAway(epoch: Epoch, nodeId: NodeId, away: Away): Promise<void>
  /** Ends a record of `noteAway`, in case it was made too late, or the node is of an older version, whose sign of life does not end it. */
  noteHeard(epoch: Epoch, nodeId: NodeId): Promise<void>
  downNodes(): Promise<NodeId[]>
  /** Marks draining nodes without placements as `drained`. Returns those nodes. */
  noteDrained(epoch: Epoch): Promise<NodeId[]>
}

/** How a node is to be deleted. */
export interface ForgetOrder {
  /** Content that no other node has is queued again on other nodes. */
  acceptLoss: boolean
  /** For the audit: what the node had before. */
  counted: { placements: number; lost?: Loss }
  /** Called after each batch. */
  onRemoved: (removed: number, of: number) => void
}

/** What operators do to the cluster, audited with `actor`. System scope. No leadership is needed. */
export interface OperatorStore {
  /** By TypeID or name; `not_found` when there is no such node. */
  node(idOrName: string): Promise<Node>
  /** The node takes no new content, and its content moves to others. Repeating it changes nothing. */
  drain(nodeId: NodeId, actor: string): Promise<void>
  uncordon(nodeId: NodeId, actor: string): Promise<void>
  /** The next `limit` placements of the node after `afterCid` ('': from the first), and the contents among them that only it has. */
  soleContents(nodeId: NodeId, afterCid: string, limit: number): Promise<SoleContents>
  /**
   * Deletes the node and its placements. `conflict` while it has a fresh sign of life, and, unless the loss is accepted, while it has content
   * that no other node has. A call that breaks off can be repeated.
   */
  forget(nodeId: NodeId, actor: string, order: ForgetOrder): Promise<void>
  /** The placements left on the node and what each of them waits for, from one statement. Costs the same however many there are. */
  drainProgress(nodeId: NodeId): Promise<DrainProgress>
  maintenance(): Promise<Maintenance | null>
  /** With `ttlMs` null it stays on until it is switched off. */
  setMaintenance(
    on: { reason: string; ttlMs: number | null } | null,
    actor: string,
  ): Promise<Maintenance | null>
  /** Switches maintenance off when its time is over. True when this call did it. */
  endMaintenance(epoch: Epoch): Promise<boolean>
  /** Every node with its last report of itself. */
  reports(): Promise<{ node: Node; report: NodeReport | null; reportedAt: Date | null }[]>
  /** Newest first. With `after`, the entries after it, oldest first. */
  audit(query: { limit: number; orgId?: OrgId; after?: AuditCursor }): Promise<AuditEntry[]>
  /** Deletes denylist entries of tokens that are over anyway. Returns how many. */
  pruneDenylist(): Promise<number>
  /** The unwanted pins that the node's reconciler found in its last run, after `afterCid` ('': from the first), in the database's order. */
  unwanted(nodeId: NodeId, afterCid: string, limit: number): Promise<UnwantedPin[]>
  /** Lets a node's reconciler continue once, after it stopped because of too many removals or a restored database. */
  confirmReconcile(nodeId: NodeId, actor: string): Promise<void>
}

/** A pin of ours in a node's Kubo that no pin of an org wants. */
export interface UnwantedPin {
  cid: string
  /** When the reconciler found it. */
  seenAt: Date
  /** All nodes on which the content is pinned and unwanted, the asked one first. */
  holders: NodeId[]
}

/**
 * What this node may do after its database was restored: the database is older than what this node has seen, or it came from a backup. The
 * node removes nothing from its Kubo before the stage is `done`.
 */
export interface RestoreGuard {
  /** Asks Postgres, after this call. Rejects when Postgres cannot be asked, so nothing may be removed then either. */
  state(): Promise<RestoreState>
  /**
   * There is nothing to decide: the node follows the database again. False while it is too early to say so. It is never too early for a node that
   * has started since the restore, knew nothing of the cluster then, and whose Kubo is `empty` of our pins.
   */
  follow(empty: boolean): Promise<boolean>
  /** The node has queued again what its Kubo lacked, since `restoreId` was the mark. Changes nothing if it has another one by now. */
  compared(restoreId: string): Promise<void>
}

/** One node's placements compared with the pins in its Kubo, used by that node's reconciler. */
export interface ReconcileStore {
  /**
   * The states of this node's placements of `cids`. A CID without a placement is left out. `fromBefore`: its generation is from before the
   * last restore of the database.
   */
  placementsOf(
    node: NodeIdentity,
    cids: string[],
  ): Promise<{ cid: string; state: PlacementState; fromBefore: boolean }[]>
  /** This node's `pinned` placements after `afterCid` (null: from the first), in the database's order of CIDs. */
  walk(node: NodeIdentity, afterCid: string | null, limit: number): Promise<string[]>
  /** Queues those that are still `pinned` under the contents lock again (`repair`, a new generation). Returns the jobs to look at. */
  requeueMissing(node: NodeIdentity, cids: string[]): Promise<Job[]>
  /** Creates a placement in `unpinning` for those that have none here under the contents lock. Returns the jobs to look at. */
  dropUnwanted(node: NodeIdentity, cids: string[]): Promise<Job[]>
  /** Replaces the list of this node's unwanted pins, which operators read. */
  noteUnwanted(node: NodeIdentity, cids: readonly string[]): Promise<void>
  /** True when an operator has let this node's reconciler continue less than `withinMs` ago. */
  isConfirmed(node: NodeIdentity, withinMs: number): Promise<boolean>
  /** The same, and uses the confirmation up: true for one caller only. */
  takeConfirmation(node: NodeIdentity, withinMs: number): Promise<boolean>
}

/** What a node must know before it collects garbage in its Kubo. Used by that node. */
export interface GarbageStore {
  /**
   * True when content is queued here of which some blocks have arrived, and not because the node is full. Collecting would delete those
   * blocks.
   */
  hasHalfFetched(node: NodeIdentity): Promise<boolean>
  /**
   * Takes or keeps the turn to collect, which one node of the cluster has at a time, for `forMs` of database time. False while another node
   * has it.
   */
  takeTurn(node: NodeIdentity, forMs: number): Promise<boolean>
  /** Gives the turn back. Does nothing when another node has it by now. */
  endTurn(node: NodeIdentity): Promise<void>
}

/** Data that is kept only for a while. */
export interface PruneStore {
  /**
   * Deletes at most `limit` plans, with their moves, that were applied or cancelled and were made more than `olderThanMs` ago. Returns how
   * many.
   */
  prunePlans(olderThanMs: number, limit: number): Promise<number>
}

/** The audit log as a whole. */
export interface AuditStore {
  /**
   * Drops whole months for good, except the present one and the `months` before it (at least three). Also deletes at most `limit` lines of
   * the same age that lie outside of the monthly partitions. Writes an audit line about it. Returns the dropped months (`YYYYMM`) and the
   * number of such lines. A partition that is in use is left for the next time.
   */
  drop(months: number, limit: number): Promise<{ months: string[]; lines: number }>
}

/** The messages between nodes. They are only hints: when one is lost, Postgres still has the work. */
export interface Bus {
  /** Publishes hints with `Nats-Msg-Id = cid:node:generation:attempt`. Rejects `unavailable` while JetStream cannot take them. */
  publishJobs(jobs: Job[]): Promise<void>
  /**
   * Delivers this node's jobs until `signal` aborts, and reconnects without end. `onJob` resolves once the row was looked at (claimed or
   * dropped); then the job is acknowledged. At most `maxPending` jobs are delivered and not yet resolved.
   */
  consumeJobs(
    nodeId: NodeId,
    maxPending: number,
    onJob: (job: Job) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>
  /** Null while JetStream answers; otherwise the reason why it does not. */
  trouble(): string | null
}

/** Which nodes there are, from their heartbeats and from Postgres. */
export interface Presence {
  /** All known nodes. `live` when the heartbeat or `last_seen` of a node is recent. */
  nodes(): readonly Node[]
}

/**
 * This node's Kubo. Our pins carry `name` (the cluster's id); pins with another name are foreign and are not touched. The caller runs one
 * write (`pin`, `unpin`) per CID at a time: Kubo may answer yes to both of two concurrent writes and end up unpinned. An aborted write may
 * still take effect. All methods reject with `IpfsError`, or with the signal's reason once it aborts.
 */
export interface Ipfs {
  /**
   * Pins recursively under our name. Resolves only once Kubo has confirmed the pin. A pin that existed before is left as it is, with
   * `foreignPin` when it is not ours. Aborting stops Kubo's fetching at once. `onProgress` is called about twice a second as a sign of
   * life, also when no block arrives.
   */
  pin(
    cid: string,
    options: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ): Promise<Progress & { foreignPin: boolean }>
  /** Removes our recursive pin. `absent` when there is none; `foreign`, and nothing is removed, when its name is not ours. */
  unpin(cid: string, signal: AbortSignal): Promise<'unpinned' | 'absent' | 'foreign'>
  /** Whether `cid` is pinned recursively, and whether that pin is ours. */
  pinned(cid: string, signal: AbortSignal): Promise<'ours' | 'foreign' | null>
  /** All recursive pins. */
  pins(signal: AbortSignal): AsyncIterable<{ cid: string; ours: boolean }>
  /**
   * Dials a multiaddr from a client. `bad_origin` when that fails. When the policy forbids the address, `bad_origin` is permanent and Kubo
   * is not asked.
   */
  connect(origin: string, signal: AbortSignal): Promise<void>
  /** Dials another node's Kubo at an address which that node announced. No policy applies, since private networks are usual there. */
  connectSibling(multiaddr: string, signal: AbortSignal): Promise<void>
  /** The ids of the peers that Kubo is connected to, whichever side dialled. */
  peers(signal: AbortSignal): Promise<ReadonlySet<string>>
  /** The peer id and the addresses that Kubo listens on, each ending in `/p2p/…`. Rejects when this Kubo is too old to work with. */
  identity(signal: AbortSignal): Promise<{ peerId: string; multiaddrs: string[]; version: string }>
  /**
   * In words, the settings that let Kubo itself connect into private networks, whatever the policy for origins says. Empty when there are
   * none.
   */
  followUps(signal: AbortSignal): Promise<string[]>
  /** Bytes on disk, and the limit of the repository. */
  repoStat(signal: AbortSignal): Promise<{ usedBytes: number; capacityBytes: number }>
  /**
   * Removes every block that no pin holds, also blocks of DAGs that are being fetched, so the caller makes sure that no fetch is under way.
   * May take minutes. `failed` is the number of blocks that could not be removed.
   */
  collectGarbage(signal: AbortSignal): Promise<{ removed: number; failed: number }>
}

/** Request counts that all nodes share. System scope. */
export interface RateStore {
  /**
   * Counts one request under each key in turn, and stops after the first key whose limit it exceeds. Returns for each counted key the
   * number of requests, including this one, and when its window ends. Repeating it counts twice.
   */
  count(
    limits: readonly { key: string; perWindow: number }[],
    windowSeconds: number,
  ): Promise<{ counted: number; resetMs: number }[]>
  /** Whether some user signed in from that network within the last 30 days. */
  signedInFrom(network: string): Promise<boolean>
}

/** What operators do with orgs, tokens and keys. System scope. */
export interface TokenStore {
  /** `not_found` when there is no such org. */
  orgBySlug(slug: string): Promise<OrgId>
  /**
   * `forbidden` when the maker may not make this token any more, which is checked while the maker's rows are locked: a person who is no
   * member with these scopes, or a token that was revoked. An operator's `cluster:admin` is checked as such a scope. `forbidden` also for a
   * suspended org. `over_quota` when the org has as many living tokens as an org may have. `conflict` when the signing key is no longer the
   * active one: the token has to be signed again. Returns the creation time that lists show. The audit names `actor` when neither a person
   * nor a token makes it.
   */
  insertToken(token: ApiToken, actor?: string): Promise<Date>
  /** Ends a token and the tokens that it made, for good. Repeating it changes nothing. `not_found` when there is no such token. */
  revokeToken(id: TokenId, actor?: string): Promise<Revoked>
  /** The version of the newest change to what nodes cache. An invalidation is published with it. */
  cacheVersion(cache: CacheName): Promise<number>
  /**
   * Null when the token was never minted here. `revoked` also when it is on the denylist. `suspended` is the reason when its org is
   * suspended.
   */
  tokenState(
    id: TokenId,
  ): Promise<
    (Omit<ApiToken, 'id' | 'name' | 'createdBy'> & { revoked: boolean; suspended: string | null }) | null
  >
  /** Notes the last use, at most once a minute. */
  touchToken(id: TokenId): Promise<void>
  signingKeys(): Promise<SigningKey[]>
  /**
   * Adds `key` as active; the previously active key becomes `verify`. Retires keys as `retireKeys` does. With `atOnce` it retires every key
   * but the new one, and their tokens end. Rejects with `invalid`, and changes nothing, when `wrappedWith` is not the cluster's master key;
   * with `isNew` it becomes the cluster's.
   */
  rotateKey(
    key: SigningKey,
    actor?: string,
    atOnce?: boolean,
    wrappedWith?: { fingerprint: string; isNew: boolean } | null,
  ): Promise<void>
  /** Retires `verify` keys whose last token has been over for a while, and deletes their secrets. Returns these keys. */
  retireKeys(actor?: string): Promise<KeyId[]>
  /** How many tokens of all orgs are valid now. */
  livingTokens(): Promise<number>
  /** Deletes at most `limit` tokens that expired more than `olderThanMs` ago. Returns how many. */
  pruneTokens(olderThanMs: number, limit: number): Promise<number>
}

/** What an org does with itself. Every call runs in that org's scope, as in `PinStore`: another org's row does not exist. */
export interface OrgStore {
  /** `not_found` when there is no such org. */
  org(orgId: OrgId): Promise<Org>
  usage(orgId: OrgId): Promise<Usage>
  members(orgId: OrgId): Promise<Member[]>
  /**
   * Makes a user a member, or changes a member's role; the membership is `manual` from now on. `not_found` when the user has never logged
   * in. `conflict` when the org would lose its last owner. `forbidden`, unless `actor.owners`, when the user is an owner or would become
   * one. Revokes tokens that the user made with scopes beyond the new role, and the tokens that those made. Returns their ids, and the
   * version for nodes that cache tokens.
   */
  setMember(orgId: OrgId, userId: UserId, role: Role, actor: MemberActor): Promise<Revoked>
  /**
   * `not_found` when the user is not a member. `conflict` for the last owner. `forbidden`, unless `actor.owners`, for any owner. Revokes
   * the tokens that the user made, and the tokens that those made.
   */
  removeMember(orgId: OrgId, userId: UserId, actor: MemberActor): Promise<Revoked>
  /**
   * Newest first, at most `limit`. With `createdBy`, only the tokens it made. Tokens that have been over for long are missing once they are
   * pruned.
   */
  tokens(orgId: OrgId, limit: number, createdBy?: UserId | TokenId): Promise<TokenView[]>
  /**
   * `not_found` when the org has no such token (or `createdBy` did not make it). Tokens that it made are revoked as well; otherwise a thief
   * of the token would keep those it made with it. Repeating it changes nothing.
   */
  revokeToken(orgId: OrgId, id: TokenId, actor: string, createdBy?: UserId | TokenId): Promise<Revoked>
  /** The org's own entries, newest first. With `before`, only entries before it. */
  audit(orgId: OrgId, query: { limit: number; before?: AuditCursor }): Promise<AuditEntry[]>
}

/** What operators do with orgs and people. System scope. Audited with `actor`. */
export interface OrgDirectory {
  /** By TypeID or slug; `not_found` when there is no such org. */
  findOrg(idOrSlug: string): Promise<Org>
  /** In the order of slugs, after `afterSlug` ('': from the first). */
  orgs(afterSlug: string, limit: number): Promise<(Org & { usage: Usage })[]>
  /** `conflict` when the slug is taken, `invalid` when it is malformed. */
  createOrg(
    slug: string,
    options: { limits?: Partial<OrgLimits>; defaultReplicas?: number | null },
    actor: string,
  ): Promise<Org>
  /** Changes the given fields; null removes a limit. What the org already has beyond a new limit stays. */
  setOrg(
    orgId: OrgId,
    change: Partial<OrgLimits> & { defaultReplicas?: number | null },
    actor: string,
  ): Promise<Org>
  /** The org's tokens and sessions are refused within two seconds, and its waiting work is paused. `conflict` while it is being removed. */
  suspendOrg(orgId: OrgId, reason: string, actor: string): Promise<Org>
  /** Undoes a suspension. Repeating it changes nothing. `conflict` while the org is being removed. */
  resumeOrg(orgId: OrgId, actor: string): Promise<Org>
  /** Suspends the org for good; the leader removes it from now on. Repeating it changes nothing. */
  removeOrg(orgId: OrgId, actor: string): Promise<Org>
  /** The orgs that a person is a member of, in the order of slugs. */
  orgsOf(userId: UserId): Promise<(Org & { usage: Usage; role: Role })[]>
  /** In the order of ids, after `afterId` ('': from the first). */
  users(afterId: string, limit: number): Promise<User[]>
}
