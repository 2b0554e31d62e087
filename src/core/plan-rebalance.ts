import { rankKey, rankScore, type RankKey } from './choose-nodes.ts'
import { fairShares, shareLines, type Share, type ShareLine } from './fair-shares.ts'
import type { NodeId } from './ids.ts'
import { mergeByCid, type CidSource } from './merge-by-cid.ts'
import type { Node } from './node.ts'
import type { Move } from './plan.ts'
import { freeBytes, type RoomPolicy } from './node-room.ts'

/** A pinned copy that may be moved, and every node that holds its content in any state. */
export interface Movable {
  cid: string
  bytes: number
  holders: NodeId[]
}

export interface RebalancePolicy extends RoomPolicy {
  /** How far a node may be from its fair share before anything moves, as a part of that share, 0 to 1. */
  tolerance: number
}

export interface RebalanceInput {
  nodes: readonly Node[]
  /** Bytes in Postgres. A node that is left out has none. */
  usage: readonly { nodeId: NodeId; bytes: number }[]
  /** The next movable copies of a node after a CID, in ascending order of CIDs. */
  movable: (nodeId: NodeId, afterCid: string, limit: number) => Promise<Movable[]>
  policy: RebalancePolicy
  signal: AbortSignal
}

export interface Rebalance {
  /** What the plan sets out to do. Known before its moves are. */
  summary: RebalanceSummary
  /** The moves in the order in which to begin them: the nodes that give copies take turns. The iterable can be read once. */
  pages: AsyncIterable<Move[]>
}

export type RebalanceSummary = {
  tolerance: number
  /** The least that must move to bring every node within the tolerance. The moves add up to this, as far as whole contents can. */
  bytesToMove: number
  totalBytes: number
  /** The nodes that take part, the fullest first. */
  nodes: ShareLine[]
}

/** The most rows in memory at a time, over all giving nodes. */
const rowsInMemory = 30_000
const rowsInPage = 1_000
const movesInPage = 500
const rankedAtMost = 32
/** A node may give or receive more than planned by this part, since contents rarely have exactly the missing size. */
const overshoot = 0.05
/**
 * A copy that no node with missing bytes may take could go to another node, but then the missing bytes stay missing. So a giving node skips
 * such copies until the bytes it still has to give reach this part of its unread bytes.
 */
const choosy = 0.5

/**
 * Moves that bring every live node in service within the tolerance of its fair share of the bytes, and move (nearly) as little as possible.
 * A copy never goes to a node that holds its content, never above the high water, and never so that the content is in fewer zones. The
 * target is decided by the missing bytes and by rank. Memory does not grow with the number of placements. For a cluster that is already
 * even the plan is empty.
 */
export function planRebalance(input: RebalanceInput): Rebalance {
  // A node that has not reported its size yet would be taken for far larger than it is.
  const taking = input.nodes.filter(
    ({ live, state, capacityBytes }) => live && state === 'active' && capacityBytes !== null,
  )
  const { tolerance } = input.policy
  const shares = fairShares({ nodes: taking, usage: input.usage, tolerance }, input.policy)
  const summary = {
    tolerance,
    bytesToMove: Math.round(shares.reduce((total, { gives }) => total + gives, 0)),
    totalBytes: shares.reduce((total, { bytes }) => total + bytes, 0),
    nodes: shareLines(shares),
  }
  return { summary, pages: pagesOf(movesOf(input, shares)) }
}

/** A node while the plan fills or empties it. */
interface Seat {
  share: Share
  id: NodeId
  key: RankKey
  zone: string
  /** Bytes that are still to be given, or received. */
  gives: number
  takes: number
  /** The most that the node may receive, whatever is missing elsewhere. */
  room: number
  /**
   * Bytes of its copies that have not been read yet. Until the last page is read this is the figure from Postgres, which includes copies
   * that may not be moved.
   */
  unread: number
}

async function* movesOf(input: RebalanceInput, shares: Share[]): AsyncGenerator<Move> {
  const seats = shares.map((share) => seatOf(share, input.policy))
  const zones = new Map(input.nodes.map(({ id, zone }) => [id, zone ?? '']))
  const receiving = seats.filter(({ room }) => room > 0)
  const missing = receiving.filter(({ takes }) => takes > 0)
  for await (const together of mergeByCid<Movable, Giver>(giversOf(input, seats))) {
    // when several nodes give the same content, each move changes its holders
    let holders: NodeId[] | undefined
    for (const { source, row } of together) {
      const { seat: from } = source
      from.unread -= row.bytes
      if (!fits(row, from)) continue
      holders ??= row.holders
      const others = holders.filter((id) => id !== from.id)
      const kept = others.map((id) => zones.get(id) ?? '')
      const query = { ...row, others, zones: kept.includes(from.zone) ? [] : kept }
      const to =
        bestFor(query, missing, (seat) => (isMissing(seat, row.bytes) ? seat.takes : 0)) ??
        (from.gives < from.unread * choosy ? undefined : bestFor(query, receiving, ({ room }) => room))
      if (to === undefined) continue
      holders = [...others, to.id]
      take(from, to, row.bytes)
      yield { cid: row.cid, from: from.id, to: to.id, bytes: row.bytes, reason: reasonOf(from, to) }
    }
  }
}

type Giver = CidSource<Movable> & { seat: Seat }

function giversOf({ movable, signal }: RebalanceInput, seats: readonly Seat[]): Giver[] {
  const giving = seats.filter(({ gives }) => gives > 0)
  const limit = Math.min(Math.max(Math.floor(rowsInMemory / Math.max(giving.length, 1)), 20), rowsInPage)
  return giving.map((seat) => ({
    seat,
    async page(afterCid) {
      signal.throwIfAborted()
      const rows = await movable(seat.id, afterCid, limit)
      if (rows.length < limit) seat.unread = rows.reduce((sum, { bytes }) => sum + bytes, 0)
      return rows
    },
    done: () => seat.gives <= 0,
  }))
}

/** A content of 0 bytes does not fit: moving it evens out nothing, so such moves would never end. */
function fits({ bytes }: Movable, { gives, share }: Seat): boolean {
  return bytes > 0 && gives > 0 && bytes <= gives + overshoot * share.gives
}

/** Whether the seat is still missing at least `bytes`, within the overshoot. */
function isMissing({ takes, share }: Seat, bytes: number): boolean {
  return takes + overshoot * share.takes >= bytes
}

/**
 * A copy that needs a node: neither one of `others`, which hold the content already, nor one in `zones`, where it would be a second copy.
 */
interface Query {
  cid: string
  bytes: number
  others: readonly NodeId[]
  zones: readonly string[]
}

/**
 * The best ranked node for a copy, among those with room and a weight above 0. Only the first `rankedAtMost` of them are compared, from a
 * start that the CID decides, so that a search among a thousand nodes is as quick as among ten.
 */
function bestFor(
  { cid, bytes, others, zones }: Query,
  seats: readonly Seat[],
  weightOf: (seat: Seat) => number,
): Seat | undefined {
  const key = rankKey(cid)
  const start = (key[0] >>> 0) % Math.max(seats.length, 1)
  let found: Seat | undefined
  let highest = 0
  let ranked = 0
  for (let step = 0; step < seats.length && ranked < rankedAtMost; step++) {
    const seat = seats[(start + step) % seats.length]
    if (seat === undefined || zones.includes(seat.zone) || seat.room < bytes || others.includes(seat.id))
      continue
    const score = rankScore(key, seat.key, weightOf(seat))
    if (score > highest) [found, highest] = [seat, score]
    if (score > 0) ranked++
  }
  return found
}

function take(from: Seat, to: Seat, bytes: number): void {
  from.gives -= bytes
  to.takes -= bytes
  to.room -= bytes
}

function seatOf(share: Share, policy: RoomPolicy): Seat {
  const { node, bytes, mostBytes, gives, takes } = share
  return {
    share,
    id: node.id,
    key: rankKey(node.id),
    zone: node.zone ?? '',
    gives,
    takes,
    room: gives > 0 ? 0 : Math.min(mostBytes - bytes, freeBytes(node, policy)),
    unread: bytes,
  }
}

function reasonOf({ share: from }: Seat, { share: to }: Seat): string {
  const percent = ({ bytes, fairBytes }: Share): string => `${Math.round((100 * bytes) / fairBytes)} %`
  return `${from.node.name} has ${percent(from)} of its fair share, ${to.node.name} ${percent(to)}`
}

async function* pagesOf(moves: AsyncIterable<Move>): AsyncGenerator<Move[]> {
  let page: Move[] = []
  for await (const move of moves) {
    page.push(move)
    if (page.length < movesInPage) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
