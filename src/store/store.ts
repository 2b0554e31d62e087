import type { OrgId } from '../core/ids.ts'
import type { SessionStore } from '../core/login-ports.ts'
import type { MeasureStore } from '../core/measure-ports.ts'
import type { PoolUse } from '../core/measures.ts'
import type { PlanStore } from '../core/plan-ports.ts'
import type {
  AuditStore,
  EpochStore,
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
import { auditStore } from './audit.ts'
import { openDatabase } from './database.ts'
import { epochStore } from './epochs.ts'
import { garbageStore } from './garbage.ts'
import { listTurns } from './list-turns.ts'
import { marksStore, type MarksStore } from './marks.ts'
import { measureStore } from './measures.ts'
import { nodeStore, type NodeStore } from './nodes.ts'
import { nameNoting } from './note-names.ts'
import { operatorStore } from './operator.ts'
import { orgDirectory } from './org-directory.ts'
import { orgRemovalStore } from './org-removal.ts'
import { orgStore } from './orgs.ts'
import type { KnownNodes } from './pin-rows.ts'
import { pinStore } from './pins.ts'
import { placementStore } from './placements.ts'
import { planStore } from './plans.ts'
import { rateStore } from './rates.ts'
import { reconcileStore } from './reconcile.ts'
import { repairStore } from './repairs.ts'
import { sessionStore } from './sessions.ts'
import { sweepStore } from './sweep.ts'
import { tokenStore } from './tokens.ts'

/** All of the database, behind core's ports. */
export interface Store extends AsyncDisposable {
  pins: PinStore
  placements: PlacementStore
  sweep: SweepStore
  reconcile: ReconcileStore
  marks: MarksStore
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
  epochs: EpochStore
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
  /** The longest wait between two attempts (`pin.backoffMax`). */
  backoffMaxMs?: number
  /** How many tokens of one org may be alive at a time. */
  maxTokens?: number
  /** How many lists of one org run at a time. */
  listsPerOrg?: number
}

const noKnownNodes: KnownNodes = {
  addresses: () => [],
  name: String,
  works: () => true,
  alone: () => false,
  anyAddresses: () => [],
}

/** Opens the store; nothing is connected yet. */
export function openStore(options: StoreOptions): Store {
  const { replicas = 1, unpinGraceMs = 0, backoffMaxMs = 600_000, listsPerOrg = 4 } = options
  const knownNodes: KnownNodes = { ...noKnownNodes, ...options.knownNodes }
  const db = openDatabase(options)
  const names = nameNoting(db, options.log)
  const plans = planStore(db)
  const terms = {
    knownNodes,
    replicas,
    graceMs: unpinGraceMs,
    inTurn: listTurns(listsPerOrg),
    noteNames: (orgId: OrgId) => names.start(orgId),
  }
  return {
    pins: pinStore(db, terms),
    placements: placementStore(db),
    sweep: sweepStore(db, unpinGraceMs, backoffMaxMs),
    reconcile: reconcileStore(db),
    marks: marksStore(db),
    garbage: garbageStore(db),
    repair: repairStore(db),
    plans,
    operator: operatorStore(db),
    audit: auditStore(db),
    measures: measureStore(db, () => plans.applying()),
    tokens: tokenStore(db, options.maxTokens),
    rates: rateStore(db),
    orgs: orgStore(db),
    orgDirectory: orgDirectory(db),
    orgRemoval: orgRemovalStore(db, unpinGraceMs),
    sessions: sessionStore(db),
    nodes: nodeStore(db),
    epochs: epochStore(db),
    async [Symbol.asyncDispose]() {
      await names[Symbol.asyncDispose]()
      await db[Symbol.asyncDispose]()
    },
    pools: () => db.pools(),
  }
}
