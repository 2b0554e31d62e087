import { preferred, takesContent, zonesInTurn } from './choose-nodes.ts'
import type { NodeId } from './ids.ts'
import type { Node } from './node.ts'
import type { PlacementReason } from './placement.ts'
import type { ContentCopies, Copy, DropReason, Repair } from './repair.ts'
import type { RoomPolicy } from './node-room.ts'
import { isDown, isWorking, nodeStanding, type DownPolicy, type NodeStanding } from './node-standing.ts'

export interface RepairPolicy extends DownPolicy, RoomPolicy {
  /**
   * Content with fewer copies on working nodes than this is repaired without waiting for the others. The exception is content that no
   * working node has: then the node that does not work is the only source.
   */
  minCopies: number
}

/** A copy together with the standing of its node. */
interface Seat {
  copy: Copy
  node: Node | undefined
  standing: NodeStanding
  /** Does not count once the repair is applied. */
  lost: boolean
  /** Counts again with this repair. Its node may have come back with an empty disk, so this copy is trusted last. */
  found: boolean
}

type Add = Repair['add'][number]
type Drop = Repair['drop'][number]

/**
 * What to do now for one content, given its copies and the state of the nodes. Null when there is nothing to do and the content is settled.
 * Pure and level-triggered: the same input gives the same answer, and once that is applied, the next answer is to do nothing until
 * something else changes.
 *
 * A copy counts when its node is good, unable or blinking and the copy is not given up: not lost, not leaving, not being unpinned, not
 * failed where another node could do better, and not waiting on a node that cannot work. When too few copies count, others are added. A
 * pinned copy is dropped only while as many other copies as are wanted are pinned on good nodes, so the last one is never dropped.
 */
export function planRepair(
  content: ContentCopies,
  nodes: readonly Node[],
  policy: RepairPolicy,
): Repair | null {
  const seats = content.copies.map((copy) => seatOf(copy, nodes, policy))
  const lose = seats.filter(({ copy, lost }) => lost && !copy.lost).map(nodeIdOf)
  const find = seats.filter(({ found }) => found).map(nodeIdOf)
  const { add, drop, settled } =
    content.wanted === 0
      ? { add: [], drop: [], settled: true }
      : evenOut(content, seats.filter(isHeld), nodes, policy)
  if (settled && [add, drop, lose, find].every((list) => list.length === 0)) return null
  return { ...leaveAsSeen(content), add, drop, lose, find, settled }
}

/** A repair of `content`, as it was seen, that only removes its mark. */
export function leaveAsSeen({ cid, copies }: ContentCopies): Repair {
  const seen = copies.map(({ nodeId, generation, state }) => ({ nodeId, generation, state }))
  return { cid, seen, add: [], drop: [], lose: [], find: [], settled: true }
}

function seatOf(copy: Copy, nodes: readonly Node[], policy: RepairPolicy): Seat {
  const node = nodes.find(({ id }) => id === copy.nodeId)
  // an unknown node is one that was not heard of yet, so its copy is not lost
  if (node === undefined) return { copy, node, standing: 'blinking', lost: copy.lost, found: false }
  const down = isDown(node, policy)
  // a copy is found also while its node blinks, since no later run looks at the content when the node stops blinking
  const found = copy.lost && !down
  const lost = down && (copy.lost || isHeld({ copy }))
  return { copy, node, standing: nodeStanding(node, policy), lost, found }
}

/** Additions and drops among the copies that are not being unpinned. */
function evenOut(
  content: ContentCopies,
  seats: Seat[],
  nodes: readonly Node[],
  policy: RepairPolicy,
): { add: Add[]; drop: Drop[]; settled: boolean } {
  const { cid, wanted } = content
  const sources = seats.filter((seat) => isPinned(seat) && !seat.lost)
  const alive = sources.filter(({ node }) => node !== undefined && isWorking(node))
  const source = sources.length > 0
  const all = seats.filter((seat) => counts(seat, source))
  const pinnedOnGood = all.filter((seat) => seat.standing === 'good' && isPinned(seat))
  // with no live copy there is no source to copy from; content that is pinned nowhere yet can be fetched by any node as well as by the
  // silent one
  const isShort = alive.length > 0 && alive.length < Math.min(policy.minCopies, wanted)
  // failed copies do not count here: while the others are on silent nodes, they are all that can be tried, so they stay
  const hopeful = all.filter((seat) => !isFailed(seat))
  const isSilent = !source && hopeful.length > 0 && hopeful.every((seat) => seat.standing !== 'good')
  const isStranded = isSilent && hopeful.length === all.length
  const urgent = isShort || isStranded
  const counted = urgent ? all.filter((seat) => seat.standing === 'good') : all

  const add = addsFor(content, { seats, all, counted, source }, nodes, policy)
  const revived = new Set(add.map(({ nodeId }) => nodeId))
  const given = seats.filter(
    (seat) => !all.includes(seat) && !staysLost(seat) && !revived.has(seat.copy.nodeId),
  )
  const enough = pinnedOnGood.length >= wanted
  const surplus = enough
    ? surplusOf(cid, wanted, all, pinnedOnGood, policy)
    : isSilent
      ? []
      : failedSurplusOf(cid, wanted, all, policy)
  // every copy has failed: a drop that waits for a pinned copy would wait for ever
  const hopeless = all.length >= wanted && all.every(isFailed)
  const early = (seat: Seat): boolean =>
    (isStranded ? all : counted).length + add.length >= wanted &&
    (isIdle(seat) || (hopeless && isFailed(seat)))
  const drop = [...(enough ? given : given.filter(early)), ...surplus].map(dropOf)
  const exact = all.length + add.length - surplus.length === wanted
  // stranded, and no other node can take it
  const isHeldUp = isStranded && add.length === 0
  return { add, drop, settled: exact && !isHeldUp && drop.length === given.length + surplus.length }
}

/**
 * As many nodes as copies are missing, or fewer when there are too few nodes. First nodes without a copy, then nodes whose copy was
 * leaving, since its move cannot be completed, then nodes whose copy failed, to try it again: when another node has the content, or when
 * the node was full and has room now. The last two only as far as copies on silent nodes do not make up the number.
 */
function addsFor(
  { cid, wanted, dagSize, copies }: ContentCopies,
  { seats, all, counted, source }: { seats: Seat[]; all: Seat[]; counted: Seat[]; source: boolean },
  nodes: readonly Node[],
  policy: RepairPolicy,
): Add[] {
  const missing = wanted - counted.length
  if (missing <= 0) return []
  const takes = (node: Node): boolean => takesContent(node, dagSize ?? 0, policy)
  const best = (of: readonly Node[]): Node[] => preferred(cid, of, policy, counted.flatMap(nodeOf))
  const uncounted = seats.filter((seat) => !counted.includes(seat))
  const idle = uncounted.filter(({ standing, lost }) => standing === 'good' && !lost)
  const held = new Set(copies.map(({ nodeId }) => nodeId))
  const fresh = best(nodes.filter((node) => !held.has(node.id) && takes(node))).slice(0, missing)
  const leaving = idle.filter(({ copy }) => copy.leaving && copy.state !== 'failed')
  // with no source, only a lack of room can have ended, and only for content whose size is known
  const mayDoBetter = ({ errorCode }: Copy): boolean =>
    source || (errorCode === 'node_full' && dagSize !== null)
  const failed = idle.filter(
    ({ copy, node }) => copy.state === 'failed' && mayDoBetter(copy) && node && takes(node),
  )
  const again = [...best(leaving.flatMap(nodeOf)), ...best(failed.flatMap(nodeOf))]
  const reasons = uncounted.map(addReason).toSorted(byUrgency)
  return [...fresh, ...again.slice(0, Math.max(wanted - all.length - fresh.length, 0))].map(
    ({ id }, place) => ({ nodeId: id, reason: reasons[place] ?? 'repair' }),
  )
}

/**
 * The counted copies beyond the wanted number: those not pinned yet, then those just found, then the lowest ranked ones. The kept copies
 * stay spread over zones.
 */
function surplusOf(
  cid: string,
  wanted: number,
  all: Seat[],
  pinnedOnGood: Seat[],
  policy: RepairPolicy,
): Seat[] {
  const unpinned = all.filter((seat) => !isPinned(seat))
  // which copies are surplus depends on whether this node comes back
  if (all.some((seat) => seat.standing !== 'good' && isPinned(seat))) return unpinned
  const order = preferred(cid, pinnedOnGood.flatMap(nodeOf), policy)
  const trusted = order.filter((node) => pinnedOnGood.some((seat) => seat.node === node && !seat.found))
  const found = order.filter((node) => !trusted.includes(node))
  const keep = zonesInTurn([...trusted, ...found]).slice(0, wanted)
  return [...unpinned, ...pinnedOnGood.filter(({ node }) => node === undefined || !keep.includes(node))]
}

/** The counted failed copies beyond the wanted number. */
function failedSurplusOf(cid: string, wanted: number, all: Seat[], policy: RepairPolicy): Seat[] {
  const failed = all.filter(isFailed)
  const worst = preferred(cid, failed.flatMap(nodeOf), policy)
    .toReversed()
    .slice(0, Math.max(all.length - wanted, 0))
  return failed.filter(({ node }) => node !== undefined && worst.includes(node))
}

/**
 * Whether a copy counts as one of the wanted ones. A failed copy does not count when its node is full or when another node has the content,
 * since then the failure is the node's own. Otherwise any node would fail, so it counts. A copy that waits on a node that cannot work does
 * not count: another node begins at once.
 */
function counts({ copy, standing, lost }: Seat, source: boolean): boolean {
  return (
    !lost &&
    !copy.leaving &&
    standing !== 'down' &&
    standing !== 'draining' &&
    !(standing === 'unable' && isUnfinished(copy)) &&
    !(copy.state === 'failed' && (source || copy.errorCode === 'node_full'))
  )
}

function dropOf(seat: Seat): Drop {
  return { nodeId: seat.copy.nodeId, reason: dropReason(seat) }
}

function dropReason({ copy, standing, found }: Seat): DropReason {
  if (standing === 'draining') return 'drain'
  if (copy.leaving) return 'rebalance'
  if (copy.state === 'failed' && copy.errorCode === 'node_full') return 'node_full'
  return found || (standing === 'unable' && isUnfinished(copy)) ? 'node_down' : 'surplus'
}

function addReason({ copy, standing, lost }: Seat): PlacementReason {
  if (standing === 'draining') return 'drain'
  if (lost || standing !== 'good') return 'node_down'
  return copy.leaving ? 'rebalance' : 'repair'
}

const urgency: PlacementReason[] = ['drain', 'node_down', 'rebalance', 'repair']

function byUrgency(a: PlacementReason, b: PlacementReason): number {
  return urgency.indexOf(a) - urgency.indexOf(b)
}

/** A lost copy stays until its node is back, unless it is to be removed from there anyway. */
function staysLost({ copy, standing, lost }: Seat): boolean {
  return lost && standing !== 'draining' && !copy.leaving
}

/** A copy that its node gives up and that is neither pinned nor under way. Its drop need not wait until the other copy is pinned. */
function isIdle({ copy, standing }: Seat): boolean {
  if (standing === 'unable') return copy.state === 'queued'
  return standing === 'draining' && (copy.state === 'queued' || copy.state === 'failed')
}

function isUnfinished({ state }: Copy): boolean {
  return state === 'queued' || state === 'pinning'
}

function isHeld({ copy }: Pick<Seat, 'copy'>): boolean {
  return copy.state !== 'unpinning'
}

function isFailed({ copy }: Seat): boolean {
  return copy.state === 'failed'
}

function isPinned({ copy }: Seat): boolean {
  return copy.state === 'pinned'
}

function nodeOf({ node }: Seat): Node[] {
  return node === undefined ? [] : [node]
}

function nodeIdOf({ copy }: Seat): NodeId {
  return copy.nodeId
}
