import type { AuditCursor, AuditEntry } from './audit.ts'
import type { ClusterStatus } from './cluster-status.ts'
import type { DrainView } from './drain.ts'
import { AnchorageError, isCode } from './errors.ts'
import { forgetUseCases, type ForgetUseCases } from './forget-node.ts'
import { mintId, type PlanId, type OrgId } from './ids.ts'
import type { MeasureStore } from './measure-ports.ts'
import type { Node } from './node.ts'
import { planRebalance, type RebalancePolicy } from './plan-rebalance.ts'
import type { RepairPolicy } from './plan-repair.ts'
import type { PlanStore } from './plan-ports.ts'
import type { Log, OperatorStore, RepairStore } from './ports.ts'
import { ofCluster } from './look-at-cluster.ts'
import type { Maintenance } from './maintenance.ts'
import { statusesOf, sumOf, withHeld, type NodeStatus, type NodeView } from './node-statuses.ts'
import type { PlanView, Plan, PlannedMove } from './plan.ts'
import { whyDrainWaits, whyPlanWaits } from './why-waiting.ts'

/**
 * What operators do to the cluster and see of it, the same for the command line and for HTTP. `actor` is the name in the audit. Nodes are
 * given by TypeID or name. The caller checks whether somebody may do this. All methods reject with `AnchorageError`: `not_found` lists the
 * existing nodes, `conflict` says what is in the way, `unavailable` means that Postgres cannot be asked.
 */
export interface OperatorUseCases extends ForgetUseCases {
  /** All nodes, and the number and bytes of placements on each. The cost does not grow with the placements. */
  nodes(): Promise<NodeView[]>
  node(node: string): Promise<NodeView>
  /** The status of the whole cluster. The cost does not grow with the pins. */
  status(): Promise<ClusterStatus>
  /** All nodes with their last reports. Cheap. */
  statuses(): Promise<NodeStatus[]>
  /** The node takes no new content, and its content moves to other nodes. Returns at once. Repeating it changes nothing. */
  drain(node: string, actor: string): Promise<DrainView>
  /** The progress of a node's drain. */
  drainOf(node: string): Promise<DrainView>
  /** The node takes new content again. Content that has moved does not come back. */
  uncordon(node: string, actor: string): Promise<Node>
  maintenance(): Promise<Maintenance | null>
  /** Replaces an earlier maintenance. With `ttlMs` null it stays on until it is switched off. `invalid` without a reason. */
  beginMaintenance(asked: { reason: string; ttlMs: number | null }, actor: string): Promise<Maintenance>
  /** Switches maintenance off. Returns the maintenance that was on, or null when none was. */
  endMaintenance(actor: string): Promise<Maintenance | null>
  /** Makes and saves a plan of moves that even out the nodes. Nothing moves until it is applied. */
  makePlan(actor: string, signal: AbortSignal): Promise<Plan>
  plans(limit: number): Promise<Plan[]>
  plan(id: PlanId): Promise<PlanView>
  moves(id: PlanId, afterNumber: number, limit: number): Promise<PlannedMove[]>
  /** Every move of the plan, in the plan's order, a page at a time. */
  allMoves(id: PlanId): AsyncIterable<PlannedMove[]>
  /**
   * From now on the leader carries the plan out, or resumes it after a pause. Changes nothing when the plan is being applied already, or
   * has been applied.
   */
  applyPlan(id: PlanId, actor: string): Promise<PlanView>
  /** The leader starts no further move. Moves under way finish. */
  pausePlan(id: PlanId, actor: string): Promise<PlanView>
  /** Stops the plan as a pause does, for good. */
  cancelPlan(id: PlanId, actor: string): Promise<PlanView>
  /** Newest first. With `after`, the entries after it, oldest first. */
  audit(query: { limit: number; orgId?: OrgId; after?: AuditCursor }): Promise<AuditEntry[]>
  /** Deletes the denylist entries of tokens that are over anyway. Returns how many. */
  pruneDenylist(): Promise<number>
  /** Lets a node's reconciler, which stopped before too many removals, continue once. `conflict` when it has not stopped. */
  confirmReconcile(node: string, actor: string): Promise<NodeStatus>
}

/** A change by an operator to something that nodes keep in memory. Nodes that receive it read the change now instead of seconds later. */
export type Announcement = { what: 'nodes' } | { what: 'maintenance'; maintenance: Maintenance | null }

const movesPage = 1000

export interface OperatorParts {
  store: OperatorStore
  plans: PlanStore
  measures: Pick<MeasureStore, 'held' | 'pins' | 'unsettled'>
  /** Only read, to report which contents are short of copies and why a drain waits. */
  repair: Pick<RepairStore, 'onNode' | 'unsettled' | 'moving'>
  /** Tells the nodes. Without it they find out by themselves a little later, so a failure is only logged. */
  announce: (announcement: Announcement) => Promise<void>
  /** How even a plan makes the nodes, and the leader's policy for repair. */
  policy: RebalancePolicy & RepairPolicy
  log: Log
}

type Told = Omit<OperatorParts, 'log'>

/** What operators do. Every change is committed in Postgres, with its audit, before any node hears of it. */
export function operatorUseCases({ log, ...parts }: OperatorParts): OperatorUseCases {
  const announce = async (announcement: Announcement): Promise<void> => {
    try {
      await parts.announce(announcement)
    } catch (err) {
      log.warn(
        { err },
        'the nodes could not be notified; they notice the change by themselves within seconds',
      )
    }
  }
  const announcing = { ...parts, announce }
  return {
    ...ofNodes(announcing),
    ...ofMaintenance(announcing),
    ...ofPlans(announcing),
    ...ofCluster(announcing),
  }
}

type OfNodes = Pick<
  OperatorUseCases,
  | 'nodes'
  | 'node'
  | 'statuses'
  | 'drain'
  | 'drainOf'
  | 'uncordon'
  | keyof ForgetUseCases
  | 'confirmReconcile'
  | 'audit'
  | 'pruneDenylist'
>

function ofNodes({ store, measures, repair, policy, announce }: Told): OfNodes {
  const find = (given: string): Promise<Node> => findNode(store, given)
  const status = async (given: string): Promise<NodeStatus> => {
    const { id } = await find(given)
    const found = (await statusesOf(store)).find(({ node }) => node.id === id)
    if (found === undefined) throw new AnchorageError('not_found', `the node ${given} was just forgotten`)
    return found
  }
  const drainOf: OperatorUseCases['drainOf'] = async (given) => {
    const node = await find(given)
    const progress = await store.drainProgress(node.id)
    const waits = await whyDrainWaits({ store, repair, policy }, node, progress)
    return { node, ...progress, waits }
  }
  return {
    statuses: () => statusesOf(store),
    async nodes() {
      const [statuses, held] = await Promise.all([statusesOf(store), measures.held()])
      return withHeld(statuses, held)
    },
    async node(given) {
      const found = await status(given)
      return { ...found, ...sumOf(await measures.held(), found.node.id) }
    },
    drainOf,
    async drain(given, actor) {
      const { id } = await find(given)
      await store.drain(id, actor)
      await announce({ what: 'nodes' })
      return await drainOf(id)
    },
    async uncordon(given, actor) {
      const { id } = await find(given)
      await store.uncordon(id, actor)
      await announce({ what: 'nodes' })
      return await find(id)
    },
    ...forgetUseCases({ store, find, announce: () => announce({ what: 'nodes' }) }),
    async confirmReconcile(given, actor) {
      const { node, report } = await status(given)
      // a confirmation in advance would let a mistake through that no person has looked at
      if ((report?.reconcileBlocked ?? null) === null)
        throw new AnchorageError(
          'conflict',
          `the reconciler of ${node.name} has not stopped: nothing to confirm`,
        )
      const { id } = node
      await store.confirmReconcile(id, actor)
      return await status(id)
    },
    audit: (query) => store.audit(query),
    pruneDenylist: () => store.pruneDenylist(),
  }
}

type OfMaintenance = Pick<OperatorUseCases, 'maintenance' | 'beginMaintenance' | 'endMaintenance'>

function ofMaintenance({ store, announce }: Told): OfMaintenance {
  return {
    maintenance: () => store.maintenance(),
    async beginMaintenance(asked, actor) {
      if (asked.reason.trim() === '') throw new AnchorageError('invalid', 'maintenance needs a reason')
      const maintenance = await store.setMaintenance(asked, actor)
      if (maintenance === null)
        throw new AnchorageError('internal', 'maintenance was switched on, but it is off')
      await announce({ what: 'maintenance', maintenance })
      return maintenance
    },
    async endMaintenance(actor) {
      const was = await store.maintenance()
      if (was === null) return null
      await store.setMaintenance(null, actor)
      await announce({ what: 'maintenance', maintenance: null })
      return was
    },
  }
}

type OfPlans = Pick<
  OperatorUseCases,
  'makePlan' | 'plans' | 'plan' | 'moves' | 'allMoves' | 'applyPlan' | 'pausePlan' | 'cancelPlan'
>

function ofPlans({ store, plans, policy }: Told): OfPlans {
  const view = async (id: PlanId): Promise<PlanView> => {
    const plan = await plans.plan(id)
    return { plan, waits: await whyPlanWaits({ store, plans }, plan) }
  }
  const become = async (id: PlanId, state: 'applying' | 'paused' | 'cancelled', actor: string) => {
    const now = await view(id)
    // a plan that is already applied needs nothing more
    if (now.plan.state === state || (now.plan.state === 'applied' && state === 'applying')) return now
    await plans.setPlanState(id, state, actor)
    return await view(id)
  }
  return {
    async makePlan(actor, signal) {
      const [reports, usage] = await Promise.all([store.reports(), plans.usage()])
      const { summary, pages } = planRebalance({
        nodes: reports.map(({ node }) => node),
        usage,
        movable: (nodeId, afterCid, limit) => plans.movable(nodeId, afterCid, limit),
        policy,
        signal,
      })
      return await plans.savePlan({ id: mintId('pln'), actor, summary }, pages)
    },
    plans: (limit) => plans.plans(limit),
    plan: view,
    moves: (id, afterNumber, limit) => plans.moves(id, afterNumber, limit),
    async *allMoves(id) {
      for (let after = 0; ;) {
        const page = await plans.moves(id, after, movesPage)
        if (page.length > 0) yield page
        const last = page.at(-1)
        if (last === undefined || page.length < movesPage) return
        after = last.number
      }
    },
    applyPlan: (id, actor) => become(id, 'applying', actor),
    pausePlan: (id, actor) => become(id, 'paused', actor),
    cancelPlan: (id, actor) => become(id, 'cancelled', actor),
  }
}

/** Finds a node by TypeID or name. `not_found` lists the existing nodes. */
async function findNode(store: OperatorStore, given: string): Promise<Node> {
  try {
    return await store.node(given)
  } catch (error) {
    if (!isCode(error, 'not_found')) throw error
    const names = (await store.reports()).map(({ node }) => node.name)
    const there = names.length === 0 ? 'there are no nodes yet' : `there are ${names.join(', ')}`
    throw new AnchorageError('not_found', `there is no node ${JSON.stringify(given)}: ${there}`)
  }
}
