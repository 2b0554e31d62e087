import type { NodeId } from '../core/ids.ts'
import type { Degradation, Node } from '../core/node.ts'
import type { Disk } from './disk.ts'

/** What a node sees that a person is to look at, though it serves. */
export interface Sight {
  /** This node. */
  nodeId: NodeId
  nodes: readonly Node[]
  /** So many pins its reconciler will not remove by itself; null while it goes on. */
  reconcileBlocked: number | null
  /** What holds its own files; null while unknown. */
  disk: Disk | null
  /** What its Kubo uses, and may use; null while unknown. */
  usedBytes: number | null
  capacityBytes: number | null
  /** From this share of its capacity on a node takes no new content. */
  highWater: number
}

/** With less of it free a disk is near full. */
const leastFree = 0.05

/** Nodes that are gone, a reconciler that stopped, disks that are near full: the reasons for them, in words. */
export function troublesOf(sight: Sight): Degradation[] {
  return [...silentNodes(sight), ...stoppedReconciler(sight), ...fullDisks(sight)]
}

/** A node that was drained may be switched off: nothing lies on it. */
function silentNodes({ nodes, nodeId }: Sight): Degradation[] {
  return nodes
    .filter(({ id, live, state }) => id !== nodeId && !live && state !== 'drained')
    .map(({ name, silentMs }) => ({
      what: 'peer',
      reason: `the node ${name} has given no sign for ${Math.round(silentMs / 1000)} s`,
    }))
}

function stoppedReconciler({ reconcileBlocked }: Sight): Degradation[] {
  if (reconcileBlocked === null) return []
  const reason = `the reconciler stopped before removing ${reconcileBlocked} pins; anchorage admin reconcile shows it, and --confirm lets it go on`
  return [{ what: 'reconciler', reason }]
}

function fullDisks({ disk, usedBytes, capacityBytes, highWater }: Sight): Degradation[] {
  const reasons: string[] = []
  if (disk !== null && disk.freeBytes < disk.bytes * leastFree)
    reasons.push(`the disk that holds data.dir is ${percent(1 - disk.freeBytes / disk.bytes)} full`)
  if (usedBytes !== null && capacityBytes !== null && usedBytes >= capacityBytes * highWater)
    reasons.push(
      `Kubo uses ${percent(usedBytes / capacityBytes)} of what it may: the node takes no new content`,
    )
  return reasons.map((reason) => ({ what: 'disk', reason }))
}

/** Rounded down: a disk that has room is not called full. */
function percent(share: number): string {
  return `${Math.floor(100 * share)}%`
}
