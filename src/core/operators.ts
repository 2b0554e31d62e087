import { AnchorageError, isCode } from './errors.ts'
import { mintId, type PlanId } from './ids.ts'
import type { MeasureStore } from './measure-ports.ts'
import type { Node } from './node.ts'
import type { Announcement, NodeStatus, OperatorUseCases, PlanView } from './operator-use-cases.ts'
import { planRebalance, type RebalancePolicy } from './plan-rebalance.ts'
import type { RepairPolicy } from './plan-repair.ts'
import type { PlanStore } from './plan-ports.ts'
import type { Log, OperatorStore, RepairStore } from './ports.ts'
import { ofCluster } from './look-at-cluster.ts'
import { statusesOf, sumOf, withHeld } from './node-statuses.ts'
import { whyDrainWaits, whyPlanWaits } from './why-waiting.ts'

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
      log.warn({ err }, 'the nodes could not be told; they find out by themselves within seconds')
    }
  }
  const told = { ...parts, announce }
  return { ...ofNodes(told), ...ofMaintenance(told), ...ofPlans(told), ...ofCluster(told) }
}

type OfNodes = Pick<
  OperatorUseCases,
  | 'nodes'
  | 'node'
  | 'statuses'
  | 'drain'
  | 'drainOf'
  | 'uncordon'
  | 'forget'
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
    async forget(given, actor) {
      const node = await find(given)
      await store.forget(node.id, actor)
      await announce({ what: 'nodes' })
      return node
    },
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
      if (maintenance === null) throw new AnchorageError('internal', 'maintenance was set and is not on')
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
    const there = names.length === 0 ? 'there is none yet' : `there are ${names.join(', ')}`
    throw new AnchorageError('not_found', `there is no node ${JSON.stringify(given)}: ${there}`)
  }
}
