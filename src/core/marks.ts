/** The numbers of a database that only grow, and its mark of the last restore. A database that shows less than before went back in time. */
export interface Marks {
  /** The random mark of the restore that the database came from (`cluster.restore_id`); null when it was never restored. */
  restoreId: string | null
  /** The newest number of `placement_generation`. */
  generation: number
  epoch: number
}

/** A placement with the generation under which this node pinned its content. */
export interface PinnedUnder {
  cid: string
  generation: number
}

/** What a node remembers beside its own data. */
export interface Remembered extends Marks {
  incarnation: number
  /**
   * The placements that this node pinned last. A failover loses the end of Postgres' log: if it lost anything that this node has acted on,
   * it lost the newest of these, even when the numbers of the sequence are beyond it.
   */
  pinned: PinnedUnder[]
}

/** What Postgres shows to a node that remembers something. */
export interface Shown extends Marks {
  /** An operator, or this node when there was nothing to decide, has accepted this restore for this node. True without a restore. */
  confirmed: boolean
  /** The remembered placements that are missing, or have an older generation. */
  lost: PinnedUnder[]
  /** This node has not compared its Kubo with its placements since the restore. */
  uncompared: boolean
  /** The names of the other nodes, but for drained ones, of which the same is true. */
  othersUncompared: string[]
}

/**
 * What a node may do after its database was restored. `undecided`: it only reports, until an operator decides. `comparing`: it is to queue
 * again what its Kubo lacks. `waiting`: it has done so, but other nodes have not, so their placements may say `pinned` of content that they
 * do not have. `done`: it may remove what is unwanted; without a restore, this holds always.
 */
export type RestoreStage = 'undecided' | 'comparing' | 'waiting' | 'done'

/** A restore, and how far a node is after it. */
export interface RestoreState {
  /** The mark of the restore; null without one. */
  restoreId: string | null
  stage: RestoreStage
}

/** So many placements are remembered. One would do, but each may be unpinned at any time. */
const pinnedMax = 8

/** In words, why the database is older than what the node remembers; null when it is not. */
export function whyOlder(remembered: Remembered, shown: Shown): string | null {
  const { generation, epoch } = remembered
  if (shown.generation < generation)
    return `its newest generation is ${shown.generation}, and this node has seen ${generation}`
  if (shown.epoch < epoch) return `its epoch is ${shown.epoch}, and this node has seen ${epoch}`
  if (shown.restoreId === null && remembered.restoreId !== null)
    return 'it does not have the mark of a restore that this node has seen'
  // A placement that was unpinned since the database was read is not remembered any more.
  const lost = shown.lost.filter(({ cid, generation: lostUnder }) =>
    remembered.pinned.some((each) => each.cid === cid && each.generation === lostUnder),
  )
  if (lost.length > 0)
    return `it lacks ${lost.length} of the last ${remembered.pinned.length} contents that this node pinned`
  return null
}

/** True when the database has a mark of a restore that the node does not follow yet, so that it needs no further mark. */
export function isMarked(remembered: Marks, shown: Marks): boolean {
  return shown.restoreId !== null && shown.restoreId !== remembered.restoreId
}

/** How far the node is after the last restore that the database shows. */
export function stageOf({
  confirmed,
  uncompared,
  othersUncompared,
}: Pick<Shown, 'confirmed' | 'uncompared' | 'othersUncompared'>): RestoreStage {
  if (!confirmed) return 'undecided'
  if (uncompared) return 'comparing'
  return othersUncompared.length > 0 ? 'waiting' : 'done'
}

/** What the node remembers from now on: the greater of both numbers. */
export function furthest(remembered: Remembered, shown: Marks): Remembered {
  return {
    ...remembered,
    generation: Math.max(remembered.generation, shown.generation),
    epoch: Math.max(remembered.epoch, shown.epoch),
  }
}

/** What the node remembers once it has unpinned these: their placements are about to be deleted. */
export function withoutPinned(remembered: Remembered, cids: ReadonlySet<string>): Remembered {
  return { ...remembered, pinned: remembered.pinned.filter(({ cid }) => !cids.has(cid)) }
}

/** What the node remembers once it has pinned these. */
export function withPinned(remembered: Remembered, pinned: PinnedUnder[]): Remembered {
  const again = new Set(pinned.map(({ cid }) => cid))
  const others = withoutPinned(remembered, again).pinned
  return { ...remembered, pinned: [...others, ...pinned].slice(-pinnedMax) }
}
