import { takesContent } from './choose-nodes.ts'
import type { Maintenance } from './maintenance.ts'
import type { Node } from './node.ts'
import { planRepair, type RepairPolicy } from './plan-repair.ts'
import type { PlanStore } from './plan-ports.ts'
import type { Plan } from './plan.ts'
import type { OperatorStore, RepairStore } from './ports.ts'
import type { ContentCopies } from './repair.ts'

/** How many contents of a draining node are read. Those left longest come first in the order of CIDs. */
const looked = 100

type Reports = Awaited<ReturnType<OperatorStore['reports']>>

/** Why a drain does not continue by itself, in words. Null while it continues, and when there is no drain. */
export async function whyDrainWaits(
  parts: { store: OperatorStore; repair: Pick<RepairStore, 'onNode'>; policy: RepairPolicy },
  node: Node,
  progress: { left: number; moving: number; waiting: number },
): Promise<string | null> {
  if (node.state !== 'draining') return null
  const { store, repair, policy } = parts
  const [maintenance, reports] = await Promise.all([store.maintenance(), store.reports()])
  const stopped = whyNothingMoves(maintenance, reports)
  if (stopped !== null || progress.moving > 0 || progress.waiting === 0) return stopped
  const contents = await repair.onNode(node.id, '', looked)
  const nodes = reports.map((each) => each.node)
  return whyContentWaits(contents, nodes, policy) ?? (node.live ? null : removedWhenBack(node))
}

function removedWhenBack({ name }: Node): string {
  return `the node is silent: its copies are removed when it is back, or with it (anchorage admin forget ${name})`
}

/** Why a plan does not continue by itself, in words. Null while it continues, and when it is over. */
export async function whyPlanWaits(
  { store, plans }: { store: OperatorStore; plans: PlanStore },
  plan: Plan,
): Promise<string | null> {
  if (plan.state === 'paused') return 'the plan is paused'
  if (plan.state !== 'applying') return null
  const [maintenance, reports, first] = await Promise.all([
    store.maintenance(),
    store.reports(),
    plans.applying(),
  ])
  const stopped = whyNothingMoves(maintenance, reports)
  if (stopped !== null || first === null || first.id === plan.id) return stopped
  return `plan ${first.id} has to finish first`
}

/** The newest epoch under which a live node says that it leads. An older leader's last report may still say that it leads. */
export function leadingEpoch(reports: Reports): number | null {
  const epochs = reports.flatMap(({ node, report }) =>
    node.live && report?.leader ? [report.leader.epoch] : [],
  )
  return epochs.length === 0 ? null : Math.max(...epochs)
}

/** Why the leader changes no placements just now, in words; null when it may. */
export function whyNothingMoves(maintenance: Maintenance | null, reports: Reports): string | null {
  if (maintenance !== null) return `maintenance is on (${maintenance.reason}): nothing moves until it is off`
  return leadingEpoch(reports) === null ? 'no node leads at the moment: nothing moves until one does' : null
}

/**
 * Why these contents wait, in words, found by planning what the leader would do for them now. Null when it would change something, or when
 * there is nothing to do.
 */
export function whyContentWaits(
  contents: ContentCopies[],
  nodes: readonly Node[],
  policy: RepairPolicy,
): string | null {
  const repairs = contents.flatMap((content) => {
    const repair = planRepair(content, nodes, policy)
    return repair === null ? [] : [{ content, repair }]
  })
  if (repairs.some(({ repair }) => repair.add.length + repair.drop.length > 0)) return null
  const stuck = repairs.filter(({ repair }) => !repair.settled).map(({ content }) => content)
  const short = stuck.find((content) => copiesInService(content, nodes) < content.wanted)
  if (short !== undefined) {
    const taking = nodes.filter((node) => takesContent(node, 0, policy)).length
    return `too few nodes: content wants ${short.wanted} ${short.wanted === 1 ? 'copy' : 'copies'}, and ${taking} other ${taking === 1 ? 'node is in service, works and has room' : 'nodes are in service, work and have room'}`
  }
  return stuck.length > 0 ? 'copies on other nodes could not be made yet; they are tried again' : null
}

function copiesInService({ copies }: ContentCopies, nodes: readonly Node[]): number {
  const inService = new Set(nodes.flatMap(({ id, state }) => (state === 'active' ? [id] : [])))
  return copies.filter(
    ({ nodeId, state, lost, leaving }) =>
      inService.has(nodeId) &&
      !lost &&
      !leaving &&
      (state === 'queued' || state === 'pinning' || state === 'pinned'),
  ).length
}
