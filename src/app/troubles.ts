import type { NodeId } from '../core/ids.ts'
import type { Degradation, Node } from '../core/node.ts'
import type { Disk } from './disk.ts'

/** The observations of a node in which problems are looked for that need a person, although the node serves. */
export interface Sight {
  /** This node. */
  nodeId: NodeId
  nodes: readonly Node[]
  /** How many pins this node's reconciler refuses to remove without confirmation; null while it is not blocked. */
  reconcileBlocked: number | null
  /** How many other nodes have a Kubo that answers, while this node's is connected to none of them; otherwise null. */
  alone: number | null
  /** The file system of the node's own files; null while unknown. */
  disk: Disk | null
  /** The bytes that the node's Kubo uses, and those that it may use; null while unknown. */
  usedBytes: number | null
  capacityBytes: number | null
  /** A node whose use has reached this share of its capacity takes no new content. */
  highWater: number
}

/** A disk with a smaller share free is nearly full. */
const leastFree = 0.05

/** Describes silent nodes, a blocked reconciler, a Kubo that reaches no other one, and disks that are nearly full. */
export function troublesOf(sight: Sight): Degradation[] {
  return [...silentNodes(sight), ...stoppedReconciler(sight), ...lonelyKubo(sight), ...fullDisks(sight)]
}

/** A drained node is left out: it holds no content and may be switched off. */
function silentNodes({ nodes, nodeId }: Sight): Degradation[] {
  return nodes
    .filter(({ id, live, state }) => id !== nodeId && !live && state !== 'drained')
    .map(({ name, silentMs }) => ({
      what: 'peer',
      reason: `the node ${name} has been silent for ${Math.round(silentMs / 1000)} s`,
    }))
}

function stoppedReconciler({ reconcileBlocked }: Sight): Degradation[] {
  if (reconcileBlocked === null) return []
  const reason =
    `the reconciler stopped before removing ${reconcileBlocked} pins: anchorage admin reconcile shows ` +
    'more, and --confirm lets it continue'
  return [{ what: 'reconciler', reason }]
}

function lonelyKubo({ alone }: Sight): Degradation[] {
  if (alone === null) return []
  const others = alone === 1 ? 'the Kubo of the other node' : `any of the Kubos of the ${alone} other nodes`
  const reason =
    `this node's Kubo is not connected to ${others}, so they fetch no content from one another: check ` +
    'node.announce, firewalls at port 4001, and Swarm.AddrFilters of Kubo (docs/install.md, "The way to its Kubo")'
  return [{ what: 'siblings', reason }]
}

function fullDisks({ disk, usedBytes, capacityBytes, highWater }: Sight): Degradation[] {
  const reasons: string[] = []
  if (disk !== null && disk.freeBytes < disk.bytes * leastFree)
    reasons.push(`the disk that holds data.dir is ${percent(1 - disk.freeBytes / disk.bytes)} full`)
  if (usedBytes !== null && capacityBytes !== null && usedBytes >= capacityBytes * highWater)
    reasons.push(
      `Kubo uses ${percent(usedBytes / capacityBytes)} of its storage limit: the node takes no new content`,
    )
  return reasons.map((reason) => ({ what: 'disk', reason }))
}

/** Rounded down, so that a disk with room left is never called 100% full. */
function percent(share: number): string {
  return `${Math.floor(100 * share)}%`
}
