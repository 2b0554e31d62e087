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
const rowsInMemory = 50_000
const movesInPage = 500
/** By so much of what it gives or takes a node may be overshot: contents do not come in the sizes that are missing. */
const overshoot = 0.05

/**
 * Moves that bring every live node in service within the tolerance of its fair share of the bytes, with (nearly) the least
 * possible moved. A copy never goes to a node that holds its content, never above the high water, and never so that the content
 * is in fewer zones. Where it goes is decided by what is missing there and by rank. Memory does not grow with the placements.
 * What it makes of a cluster that it has evened out is nothing.
 */
export function planRebalance(input: RebalanceInput): Rebalance {
  const taking = input.nodes.filter((node) => node.live && node.state === 'active')
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
  key: RankKey
  zone: string
  /** Still to give, or to be given. */
  gives: number
  takes: number
  /** May be given no more than this, whatever is missing elsewhere. */
  room: number
}

async function* movesOf(input: RebalanceInput, shares: Share[]): AsyncGenerator<Move> {
  const seats = shares.map((share) => seatOf(share, input.policy))
  const receiving = seats.filter(({ room }) => room > 0)
  const zones = new Map(input.nodes.map(({ id, zone }) => [id, zone ?? '']))
  for await (const together of mergeByCid<Movable, Giver>(giversOf(input, seats))) {
    // a content that several give is in other places after each of its moves
    let holders: NodeId[] | undefined
    for (const { source, row } of together) {
      const from = source.seat
      if (!fits(row, from)) continue
      holders ??= row.holders
      const to = targetFor({ ...row, holders }, from, receiving, zones)
      if (to === undefined) continue
      const [leaves, enters] = [from.share.node.id, to.share.node.id]
      holders = [...holders.filter((id) => id !== leaves), enters]
      take(from, to, row.bytes)
      yield { cid: row.cid, from: leaves, to: enters, bytes: row.bytes, reason: reasonOf(from, to) }
    }
  }
}

type Giver = CidSource<Movable> & { seat: Seat }

function giversOf({ movable, signal }: RebalanceInput, seats: readonly Seat[]): Giver[] {
  const giving = seats.filter(({ gives }) => gives > 0)
  const limit = Math.max(Math.floor(rowsInMemory / Math.max(giving.length, 1)), 20)
  return giving.map((seat) => ({
    seat,
    page(afterCid) {
      signal.throwIfAborted()
      return movable(seat.share.node.id, afterCid, limit)
    },
    done: () => seat.gives <= 0,
  }))
}

/** What is of no size would go round without end. */
function fits({ bytes }: Movable, { gives, share }: Seat): boolean {
  return bytes > 0 && gives > 0 && bytes <= gives + overshoot * share.gives
}

/** Who is missing the most and ranks well for this content; when it is too large for what is missing anywhere, who has the most room. */
function targetFor(
  { cid, bytes, holders }: Movable,
  from: Seat,
  seats: readonly Seat[],
  zones: ReadonlyMap<NodeId, string>,
): Seat | undefined {
  const others = new Set(holders.filter((id) => id !== from.share.node.id).map((id) => zones.get(id) ?? ''))
  const mayGo = (to: Seat): boolean =>
    to.room >= bytes && !holders.includes(to.share.node.id) && (others.has(from.zone) || !others.has(to.zone))
  const key = rankKey(cid)
  const missing = ({ takes, share }: Seat): number => (takes + overshoot * share.takes >= bytes ? takes : 0)
  return (
    best(seats, mayGo, (to) => rankScore(key, to.key, missing(to))) ??
    best(seats, mayGo, (to) => rankScore(key, to.key, to.room))
  )
}

/** The one of the highest score above 0. */
function best(
  seats: readonly Seat[],
  mayBe: (seat: Seat) => boolean,
  scoreOf: (seat: Seat) => number,
): Seat | undefined {
  let found: Seat | undefined
  let highest = 0
  for (const seat of seats) {
    const score = scoreOf(seat)
    if (score > highest && mayBe(seat)) [found, highest] = [seat, score]
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
    key: rankKey(node.id),
    zone: node.zone ?? '',
    gives,
    takes,
    room: gives > 0 ? 0 : Math.min(mostBytes - bytes, freeBytes(node, policy)),
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
