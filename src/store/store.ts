import { isCode } from '../core/errors.ts'
import type { NodeId, OrgId } from '../core/ids.ts'
import type { SessionStore } from '../core/login-ports.ts'
import type { MeasureStore } from '../core/measure-ports.ts'
import type { PoolUse } from '../core/measures.ts'
import type { Node, NodeIdentity } from '../core/node.ts'
import type { NewPin, Accepted } from '../core/pin.ts'
import type { PlanStore } from '../core/plan-ports.ts'
import type {
  AuditStore,
  GarbageStore,
  Log,
  OperatorStore,
  OrgRemovalStore,
  OrgStore,
  PinStore,
  PlacementStore,
  PruneStore,
  RateStore,
  ReconcileStore,
  RepairStore,
  SweepStore,
  OrgDirectory,
  TokenStore,
} from '../core/ports.ts'
import { assertLogin, assertSchema } from './assert.ts'
import { dropAudit } from './audit.ts'
import { assertOrgsKeptApart } from './org-isolation.ts'
import type { Way } from './connections.ts'
import { openDatabase, type Database } from './database.ts'
import { isBadData } from './errors.ts'
import { listPins, type PageSize } from './list-pins.ts'
import { listTurns, type ListTurns } from './list-turns.ts'
import { nameNoting } from './note-names.ts'
import * as garbage from './garbage.ts'
import * as keys from './keys.ts'
import { measureStore } from './measures.ts'
import { loginRefused } from './login-refused.ts'
import * as nodes from './nodes.ts'
import { operatorStore } from './operator.ts'
import { orgStore } from './orgs.ts'
import type { KnownNodes } from './pin-rows.ts'
import * as pins from './pins.ts'
import * as placements from './placements.ts'
import { planStore } from './plans.ts'
import * as rates from './rates.ts'
import * as reconcile from './reconcile.ts'
import { repairStore } from './repairs.ts'
import { loginKey, type Role } from './role-settings.ts'
import { sessionStore } from './sessions.ts'
import * as sweep from './sweep.ts'
import { removeSome } from './stop-orgs.ts'
import { orgDirectory } from './org-directory.ts'
import * as tokens from './tokens.ts'

/** What a node asks of the database about itself and its cluster. */
export interface NodeStore {
  /** Refuses (`invalid`, with what to do) a schema or logins that this version must not serve with. */
  assertReady(): Promise<void>
  /**
   * Rejects unless a write of each role commits, within 15 s: with `unavailable`, or with `invalid` and what to do when this version must
   * not serve with such connections.
   */
  proveWrites(): Promise<void>
  /** How each role's login reaches Postgres. */
  ways(): Promise<Record<'tenant' | 'system', Way>>
  clusterId(): Promise<string>
  boot(name: string, zone?: string | null): Promise<NodeIdentity>
  voidClaims(node: NodeIdentity, limit: number): Promise<number>
  see(node: NodeIdentity, sign: nodes.Sign): Promise<boolean>
  bindKubo(node: NodeIdentity, kubo: { peerId: string; multiaddrs: string[] }): Promise<void>
  /** Where the other nodes' nats-servers reach this node's, host:port. */
  setRoute(node: NodeIdentity, route: string | null): Promise<void>
  routes(): Promise<{ nodeId: NodeId; name: string; route: string }[]>
  list(): Promise<Node[]>
  /** As `list`, and the version of the newest change that it includes. */
  read(): Promise<{ nodes: Node[]; version: number }>
  nextEpoch(): Promise<number>
  extendAudit(): Promise<void>
}

/** All of the database, behind core's ports. */
export interface Store extends AsyncDisposable {
  pins: PinStore
  placements: PlacementStore
  sweep: SweepStore
  reconcile: ReconcileStore
  garbage: GarbageStore
  repair: RepairStore
  plans: PlanStore & PruneStore
  operator: OperatorStore
  audit: AuditStore
  measures: MeasureStore
  tokens: TokenStore
  rates: RateStore
  orgs: OrgStore
  orgDirectory: OrgDirectory
  orgRemoval: OrgRemovalStore
  sessions: SessionStore
  nodes: NodeStore
  /** The connections of each login, now. */
  pools(): Record<'tenant' | 'system', PoolUse>
}

export interface StoreOptions {
  tenantUrl: string
  systemUrl: string
  log: Log
  /** The nodes' names, and where their Kubos are reached: what a pin's `info` and `delegates` show. */
  knownNodes?: Partial<KnownNodes>
  /** How many nodes are to pin a content when neither its pin nor its org says. */
  replicas?: number
  /** How long content that no pin wants stays pinned. */
  unpinGraceMs?: number
  /** How many tokens of one org may be alive at a time. */
  maxTokens?: number
  /** How many lists of one org run at a time. */
  listsPerOrg?: number
}

const noKnownNodes: KnownNodes = { addresses: () => [], name: String, anyAddresses: () => [] }

/** Opens the store; nothing is connected yet. */
export function openStore(options: StoreOptions): Store {
  const { replicas = 1, unpinGraceMs = 0, maxTokens = tokens.usualMaxTokens, listsPerOrg = 4 } = options
  const knownNodes: KnownNodes = { ...noKnownNodes, ...options.knownNodes }
  const db = openDatabase(options)
  const names = nameNoting(db, options.log)
  const lists = { inTurn: listTurns(listsPerOrg), noteNames: (orgId: OrgId) => names.start(orgId) }
  const plans = planStore(db)
  return {
    pins: pinStore(db, { knownNodes, replicas, graceMs: unpinGraceMs }, lists),
    placements: placementStore(db),
    sweep: sweepStore(db, unpinGraceMs),
    reconcile: reconcileStore(db),
    garbage: garbageStore(db),
    repair: repairStore(db),
    plans,
    operator: operatorStore(db),
    audit: { drop: (months, limit) => db.system((tx) => dropAudit(tx, months, limit)) },
    measures: measureStore(db, () => plans.applying()),
    tokens: tokenStore(db, maxTokens),
    rates: {
      count: (limits, windowSeconds) => rates.countRequest(db.statement, limits, windowSeconds),
      signedInFrom: (network) => rates.signedInFrom(db.statement, network),
    },
    orgs: orgStore(db),
    orgDirectory: orgDirectory(db),
    orgRemoval: { removeSome: (epoch, limit) => removeSome(db.statement, epoch, limit, unpinGraceMs) },
    sessions: sessionStore(db),
    nodes: nodeStore(db),
    async [Symbol.asyncDispose]() {
      await names[Symbol.asyncDispose]()
      await db[Symbol.asyncDispose]()
    },
    pools: () => db.pools(),
  }
}

function pinStore(
  db: Database,
  terms: pins.AcceptTerms,
  { inTurn, noteNames }: { inTurn: ListTurns; noteNames: (orgId: OrgId) => void },
): PinStore {
  const { knownNodes } = terms

  const accept = (orgId: OrgId, batch: NewPin[], again: boolean) =>
    pins.acceptPins(db, orgId, batch, terms, again)
  return {
    async acceptPins(orgId, batch, again) {
      try {
        return await accept(orgId, batch, again)
      } catch (error) {
        if (batch.length === 1 || !isBadData(error)) throw error
        return oneByOne(batch, (pin) => accept(orgId, [pin], again))
      }
    },
    async replacePin(orgId, old, pin, again) {
      const [outcome] = await pins.acceptPins(db, orgId, [pin], terms, again, old)
      if (!outcome) throw new Error('an accept came back empty')
      if ('error' in outcome) throw outcome.error
      return outcome
    },
    removePin: (orgId, id, actor) =>
      db.org(orgId, (tx) => pins.removePin(tx, orgId, id, actor, terms.graceMs)),
    getPin: (orgId, id) => pins.getPin(db, orgId, id, terms.knownNodes),
    crowded: (orgId) => pins.crowded(db, orgId),
    listPins(orgId, query, signal) {
      const list = (size: PageSize) => listPins(db, orgId, query, { knownNodes, size, noteNames, signal })
      return inTurn(orgId, query, list, signal)
    },
  }
}

/** For a batch with an item that the database cannot take: accepts each pin separately, so that only that one fails. */
async function oneByOne(batch: NewPin[], accept: (pin: NewPin) => Promise<Accepted[]>): Promise<Accepted[]> {
  const outcomes: Accepted[] = []
  for (const pin of batch) {
    const [outcome] = await accept(pin).catch((error: unknown) => [
      { error: error instanceof Error ? error : new Error(String(error)) },
    ])
    if (outcome) outcomes.push(outcome)
  }
  return outcomes
}

function placementStore(db: Database): PlacementStore {
  const tx = db.statement
  // One position for each node that is asked for here; as a rule there is one node.
  const positions = new Map<NodeId, placements.DuePosition>()
  return {
    claim: (node, jobs, claimMs) => placements.claim(tx, node, jobs, claimMs),
    async extend(node, under, claimMs) {
      const changed = await placements.extend(tx, node, under, claimMs)
      await placements.showPinning(
        tx,
        under.map((claim) => claim.cid),
      )
      return changed
    },
    async finish(node, finishes) {
      const woken = await placements.finish(tx, node, finishes)
      const partial = finishes.filter(({ outcome }) => 'bytes' in outcome && outcome.kind !== 'pinned')
      if (partial.length > 0)
        await placements.reserveBytes(
          tx,
          partial.map(({ cid }) => cid),
        )
      return woken
    },
    due(node, perOrg, limit) {
      const position = positions.get(node.nodeId) ?? placements.firstDue()
      positions.set(node.nodeId, position)
      return placements.due(tx, node, perOrg, limit, position)
    },
    dueUnpins: (node, limit) => placements.dueUnpins(tx, node, limit),
    origins: (cid) => placements.originsOf(tx, cid),
  }
}

function sweepStore(db: Database, graceMs: number): SweepStore {
  const tx = db.statement
  return {
    requeueExpiredClaims: (epoch, limit) => sweep.requeueExpiredClaims(tx, epoch, limit),
    releaseDue: (epoch, limit) => sweep.releaseDue(tx, epoch, limit),
    releaseHolds: (epoch, limit) => sweep.releaseHolds(tx, epoch, limit, graceMs),
    finishFolds: (epoch, limit) => sweep.finishFolds(tx, epoch, limit),
    wakePutBy: (epoch, limit) => sweep.wakePutBy(tx, epoch, limit),
    lostHints: (overdueMs, limit) => sweep.lostHints(tx, overdueMs, limit),
  }
}

function reconcileStore(db: Database): ReconcileStore {
  const tx = db.statement
  return {
    placementsOf: (node, cids) => reconcile.placementsOf(tx, node, cids),
    walk: (node, afterCid, limit) => reconcile.walk(tx, node, afterCid, limit),
    requeueMissing: (node, cids) => reconcile.requeueMissing(tx, node, cids),
    dropUnwanted: (node, cids) => reconcile.dropUnwanted(tx, node, cids),
    isRestored: (node) => reconcile.isRestored(tx, node),
    isConfirmed: (node, withinMs) => reconcile.isConfirmed(tx, node, withinMs),
    takeConfirmation: (node, withinMs) => reconcile.takeConfirmation(tx, node, withinMs),
  }
}

function garbageStore(db: Database): GarbageStore {
  const tx = db.statement
  return {
    hasHalfFetched: (node) => garbage.hasHalfFetched(tx, node),
    takeTurn: (node, forMs) => garbage.takeTurn(tx, node, forMs),
    endTurn: (node) => garbage.endTurn(tx, node),
  }
}

function tokenStore(db: Database, maxTokens: number): TokenStore {
  return {
    orgBySlug: (slug) => tokens.orgBySlug(db.statement, slug),
    insertToken: (token, actor) => db.system((tx) => tokens.insertToken(tx, token, maxTokens, actor)),
    revokeToken: (id, actor) => db.system((tx) => tokens.revokeToken(tx, id, actor)),
    cacheVersion: (cache) => tokens.cacheVersion(db.statement, cache),
    tokenState: (id) => tokens.tokenState(db.statement, id),
    touchToken: (id) => tokens.touchToken(db.statement, id),
    signingKeys: () => keys.signingKeys(db.statement),
    rotateKey: (key, actor, atOnce) => db.system((tx) => keys.rotateKey(tx, key, actor, atOnce)),
    retireKeys: (actor) => db.system((tx) => keys.retireKeys(tx, actor)),
    livingTokens: () => tokens.livingTokens(db.statement),
    pruneTokens: (olderThanMs, limit) => tokens.pruneTokens(db.statement, olderThanMs, limit),
  }
}

function nodeStore(db: Database): NodeStore {
  return {
    async assertReady() {
      await withReason(async () => {
        await loggedIn('anchorage_system', () => db.system((tx) => assertLogin(tx.query, 'anchorage_system')))
        await loggedIn('anchorage_tenant', () =>
          db.withoutOrg((query) => assertLogin(query, 'anchorage_tenant')),
        )
        await db.system((tx) => assertSchema(tx.query))
        await db.withoutOrg(assertOrgsKeptApart)
      })
    },
    proveWrites: () => withReason(() => db.proveWrites()),
    ways: () => db.ways(),
    clusterId: () => db.system((tx) => nodes.clusterId(tx)),
    boot: (name, zone = null) => db.system((tx) => nodes.bootNode(tx, name, zone)),
    voidClaims: (node, limit) => db.system((tx) => nodes.voidClaims(tx, node, limit)),
    see: (node, sign) => db.system((tx) => nodes.seeNode(tx, node, sign)),
    setRoute: (node, route) => nodes.setRoute(db.statement, node, route),
    routes: () => nodes.routes(db.statement),
    bindKubo: (node, kubo) => db.system((tx) => nodes.bindKubo(tx, node, kubo)),
    list: () => nodes.listNodes(db.statement),
    read: () => nodes.readNodes(db.statement),
    nextEpoch: () => db.system((tx) => nodes.nextEpoch(tx)),
    extendAudit: () => db.system((tx) => nodes.extendAudit(tx)),
  }
}

/** Turns a refused login into `invalid`, with what to do: it does not pass by waiting. */
async function loggedIn(role: Role, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw loginRefused(error, loginKey(role)) ?? error
  }
}

/** A request only learns that it cannot be served. The operator who starts or watches the node learns why its connections are refused. */
async function withReason<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isCode(error, 'unavailable') && isCode(error.cause, 'invalid') ? error.cause : error
  }
}
