import { clusterStatus, type ClusterStatus } from './cluster-status.ts'
import type { NodeDrain } from './drain.ts'
import type { MeasureStore } from './measure-ports.ts'
import { statusesOf, withHeld, type NodeView } from './node-statuses.ts'
import type { RepairPolicy } from './plan-repair.ts'
import type { PlanStore } from './plan-ports.ts'
import type { PlanView } from './plan.ts'
import type { OperatorStore, RepairStore } from './ports.ts'
import { whyContentWaits, whyDrainWaits, whyNothingMoves, whyPlanWaits } from './why-waiting.ts'

/** How many of the contents marked for repair are read here. */
const looked = 1_000
/** An open plan that is older than these is found with `admin plans`. */
const latestPlans = 20

interface Parts {
  store: OperatorStore
  plans: PlanStore
  measures: Pick<MeasureStore, 'held' | 'pins' | 'unsettled'>
  repair: Pick<RepairStore, 'onNode' | 'unsettled' | 'moving'>
  policy: RepairPolicy
}

/** The status of the cluster. It reads a bounded number of rows and counts that are kept up to date, never a whole table. */
export function ofCluster(parts: Parts): { status(): Promise<ClusterStatus> } {
  const { store, measures, repair, policy } = parts
  return {
    async status() {
      const [statuses, held, pins, unsettled, contents, maintenance, moving] = await Promise.all([
        statusesOf(store),
        measures.held(),
        measures.pins(),
        measures.unsettled(),
        repair.unsettled('', looked),
        store.maintenance(),
        repair.moving(),
      ])
      const nodes = withHeld(statuses, held)
      const isStopped = whyNothingMoves(maintenance, statuses) !== null
      return clusterStatus({
        nodes,
        maintenance,
        pins,
        held,
        unsettled,
        contents,
        contentWaits: isStopped
          ? null
          : whyContentWaits(
              contents,
              nodes.map(({ node }) => node),
              policy,
            ),
        drains: await drainsOf(parts, nodes, moving.copies),
        plans: await plansOf(parts),
      })
    },
  }
}

/** A drain counts as making progress while any copy is under way in the cluster: to find out for which node would mean reading each copy. */
function drainsOf(parts: Parts, nodes: NodeView[], moving: number): Promise<NodeDrain[]> {
  return Promise.all(
    nodes
      .filter(({ node }) => node.state === 'draining')
      .map(async ({ node, placements: left, bytes: bytesLeft }) => ({
        node,
        left,
        bytesLeft,
        waits: await whyDrainWaits(parts, node, { left, moving, waiting: left }),
      })),
  )
}

async function plansOf(parts: Parts): Promise<PlanView[]> {
  const latest = await parts.plans.plans(latestPlans)
  const open = latest.filter(({ state }) => state === 'applying' || state === 'paused')
  return Promise.all(
    open.map(async (plan) => ({
      plan: await parts.plans.plan(plan.id),
      waits: await whyPlanWaits(parts, plan),
    })),
  )
}
