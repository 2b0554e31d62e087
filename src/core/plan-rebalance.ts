import { rankKey, rankScore, type RankKey } from './choose-nodes.ts'
import { fairShares, shareLines, type Share, type ShareLine } from './fair-shares.ts'
import type { NodeId } from './ids.ts'
import { mergeByCid, type CidSource } from './merge-by-cid.ts'
import type { Node } from './node.ts'
import type { Move } from './repair.ts'
import { freeBytes, type RoomPolicy } from './standing.ts'

/** A pinned copy that may be moved, and every node that holds its content in any state. */
export interface Movable {
  cid: string
  bytes: number
  holders: NodeId[]
}

export interface RebalancePolicy extends RoomPolicy {
  /** How far a node may be from its fair share before anything moves: a part of it, 0 to 1. */
  tolerance: number
}

export interface RebalanceInput {
  nodes: readonly Node[]
  /** Bytes by the book; a node that is left out has none. */
  usage: readonly { nodeId: NodeId; bytes: number }[]
  /** The movable copies of a node in ascending order of CIDs, after a CID. */
  movable: (nodeId: NodeId, afterCid: string, limit: number) => Promise<Movable[]>
  policy: RebalancePolicy
  signal: AbortSignal
}

export interface Rebalance {
  /** What the plan sets out to do, known before its moves are. */
  summary: RebalanceSummary
  /** The moves in the order in which they are best begun: giving nodes take turns. Read once. */
  pages: AsyncIterable<Move[]>
}

export type RebalanceSummary = {
  tolerance: number
  /** The least that must move to bring every node within the tolerance; the moves come to this, as far as whole contents can. */
  bytesToMove: number
  totalBytes: number
  /** The nodes that take part, the fullest first. */
  nodes: ShareLine[]
}

/** Rows held at one time, over all giving nodes. */
const rowsInMemory = 30_000
const rowsInPage = 1_000
const movesInPage = 500
const rankedAtMost = 32
/** By so much of what it gives or takes a node may be overshot: contents do not come in the sizes that are missing. */
const overshoot = 0.05
/**
 * What no node that is missing bytes may take could still go to one that is not, and then those stay short. So a giving node looks
 * for other copies first, until what it has to give is this part of what it has not looked at.
 */
const choosy = 0.5

/**
 * Moves that bring every live node in service within the tolerance of its fair share of the bytes, with (nearly) the least
 * possible moved. A copy never goes to a node that holds its content, never above the high water, and never so that the content
 * is in fewer zones. Where it goes is decided by what is missing there and by rank. Memory does not grow with the placements.
 * What it makes of a cluster that it has evened out is nothing.
 */
export function planRebalance(input: RebalanceInput): Rebalance {
  // One that has not told its size yet would be taken for far larger than it is.
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

/** A node as the plan fills or empties it. */
interface Seat {
  share: Share
  id: NodeId
  key: RankKey
  zone: string
  /** Bytes still to give, or to be given. */
  gives: number
  takes: number
  /** May be given no more than this, whatever is missing elsewhere. */
  room: number
  /** Bytes of its copies that were not looked at yet: by the book, which counts some that may not be moved, until its last page is there. */
  unread: number
}

async function* movesOf(input: RebalanceInput, shares: Share[]): AsyncGenerator<Move> {
  const seats = shares.map((share) => seatOf(share, input.policy))
  const zones = new Map(input.nodes.map(({ id, zone }) => [id, zone ?? '']))
  const receiving = seats.filter(({ room }) => room > 0)
  const missing = receiving.filter(({ takes }) => takes > 0)
  for await (const together of mergeByCid<Movable, Giver>(giversOf(input, seats))) {
    // a content that several give is in other places after each of its moves
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

/** What is of no size would go round without end. */
function fits({ bytes }: Movable, { gives, share }: Seat): boolean {
  return bytes > 0 && gives > 0 && bytes <= gives + overshoot * share.gives
}

/** Would `bytes` more be no more than what is missing there? */
function isMissing({ takes, share }: Seat, bytes: number): boolean {
  return takes + overshoot * share.takes >= bytes
}

/** A copy that looks for a node: not one of those that hold the others, nor in a zone where its content would be twice for it. */
interface Query {
  cid: string
  bytes: number
  others: readonly NodeId[]
  zones: readonly string[]
}

/**
 * The one of the best rank for a copy, of those with room and a weight above 0: of the first few, from a place that the content
 * decides, so that among a thousand nodes it is found as soon as among ten.
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
