import type { NodeDrain } from './drain.ts'
import type { Maintenance } from './maintenance.ts'
import type { Held } from './measures.ts'
import { countOf, missingCopies, type MissingCopies } from './missing-copies.ts'
import { isWorking } from './node-standing.ts'
import type { NodeView } from './node-statuses.ts'
import type { PinStatus } from './pin.ts'
import type { PlanView } from './plan.ts'
import type { ContentCopies } from './repair.ts'

/** The status of the whole cluster. */
export interface ClusterStatus {
  nodes: NodeView[]
  maintenance: Maintenance | null
  pins: Record<PinStatus, number>
  /** Placements on all nodes that are waiting for work or being worked on. */
  work: { queued: number; pinning: number; unpinning: number }
  drains: NodeDrain[]
  /** The plans that are being applied or are paused. */
  plans: PlanView[]
  copies: MissingCopies
  /** How many contents are marked for repair, counted up to a limit. */
  unsettled: number
  /** The first few of these contents that have fewer pinned copies than are wanted. */
  short: ShortContent[]
  /** What does not go away by itself, worst first. */
  needs: Need[]
}

export interface ShortContent {
  cid: string
  wanted: number
  pinned: number
}

/** Something that a person has to do. */
export interface Need {
  /** The node or plan that it is about; null for the cluster. */
  about: string | null
  reason: string
  /** A command that fixes or shows it; null when there is none. */
  command: string | null
}

/** The facts that a status of the cluster is made from. */
export type ClusterSight = Omit<ClusterStatus, 'work' | 'copies' | 'short' | 'needs'> & {
  held: Held[]
  /** The first contents that are marked for repair. */
  contents: ContentCopies[]
  /** Why these contents wait; null while they do not. */
  contentWaits: string | null
}

const shownShort = 10

/** Sums up the facts. */
export function clusterStatus({ held, contents, contentWaits, ...sight }: ClusterSight): ClusterStatus {
  const away = new Set(sight.nodes.flatMap(({ node }) => (isWorking(node) ? [] : [node.id])))
  const working = new Set(sight.nodes.flatMap(({ node }) => (isWorking(node) ? [node.id] : [])))
  const pinned = ({ copies }: ContentCopies): number =>
    copies.filter(({ nodeId, state, lost }) => working.has(nodeId) && state === 'pinned' && !lost).length
  const short = contents
    .map((content) => ({ cid: content.cid, wanted: content.wanted, pinned: pinned(content) }))
    .filter((content) => content.pinned < content.wanted)
  return {
    ...sight,
    work: {
      queued: countOf(held, 'queued'),
      pinning: countOf(held, 'pinning'),
      unpinning: countOf(held, 'unpinning'),
    },
    copies: missingCopies(held, away),
    short: short.slice(0, shownShort),
    needs: needsOf(sight, short.length > 0 ? contentWaits : null),
  }
}

function needsOf(
  { nodes, maintenance, drains, plans }: Omit<ClusterSight, 'held' | 'contents' | 'contentWaits'>,
  contentWaits: string | null,
): Need[] {
  const leaderless = nodes.length > 0 && nodes.every(({ leads }) => leads === null)
  return [
    ...(leaderless
      ? [need(null, 'no node leads: nothing is repaired or moved', 'anchorage admin cluster-presences')]
      : []),
    ...nodes.flatMap(needsOfNode),
    ...(maintenance !== null && maintenance.until === null
      ? [
          need(
            null,
            `maintenance is on until it is switched off (${maintenance.reason})`,
            'anchorage admin maintenance off',
          ),
        ]
      : []),
    ...(contentWaits === null ? [] : [need(null, `copies are missing: ${contentWaits}`, null)]),
    ...(leaderless || maintenance !== null ? [] : drains.flatMap(needsOfDrain)),
    ...plans.flatMap(needsOfPlan),
  ]
}

/** The caller leaves this out in maintenance and without a leader: both are needs of their own. */
function needsOfDrain({ node, waits }: NodeDrain): Need[] {
  return waits === null
    ? []
    : [need(node.name, `the drain waits: ${waits}`, `anchorage admin nodes ${node.name}`)]
}

/** A plan that waits for its turn needs no person. */
function needsOfPlan({ plan: { id, state } }: PlanView): Need[] {
  return state === 'paused'
    ? [need(id, 'the plan is paused', `anchorage admin rebalance --resume ${id}`)]
    : []
}

/**
 * Reports about other nodes, maintenance and the reconciler are listed once as needs of their own, not once for each node that reports
 * them.
 */
const toldElsewhere = ['peer', 'maintenance', 'reconciler']

/** The last report of a silent node is ignored, since it may no longer be true. */
function needsOfNode({ node, report }: NodeView): Need[] {
  const { live, unable } = node
  if (!live && unable?.what === 'postgres')
    return [need(node.name, `it does not reach Postgres: ${unable.reason}`, null)]
  if (!live)
    return node.state === 'drained'
      ? []
      : [
          need(
            node.name,
            `silent for ${Math.round(node.silentMs / 1000)} s: start it, or forget it for good`,
            `anchorage admin forget ${node.name}`,
          ),
        ]
  const blocked = report?.reconcileBlocked ?? null
  return [
    ...(blocked === null
      ? []
      : [
          need(
            node.name,
            `its reconciler stopped before removing ${blocked} pins`,
            `anchorage admin reconcile ${node.name} --confirm`,
          ),
        ]),
    ...(report?.reasons ?? [])
      .filter(({ what }) => !toldElsewhere.includes(what))
      .map(({ what, reason }) => need(node.name, `${what}: ${reason}`, null)),
  ]
}

function need(about: string | null, reason: string, command: string | null): Need {
  return { about, reason, command }
}
