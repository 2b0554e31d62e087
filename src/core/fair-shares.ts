import type { NodeId } from './ids.ts'
import type { Node } from './node.ts'
import { capacityOf, freeBytes, type RoomPolicy } from './node-room.ts'

/** What one node has, and what evening out changes about it. Bytes are those in Postgres. */
export interface Share {
  node: Node
  bytes: number
  /** The node's share of all bytes, by its capacity. */
  fairBytes: number
  /** The most bytes that are within the tolerance. */
  mostBytes: number
  /** How many bytes the node gives away or receives. One of the two is always 0. */
  gives: number
  takes: number
}

/** One line of the summary for operators. Shares are parts of all bytes, 0 to 1. */
export interface ShareLine {
  nodeId: NodeId
  name: string
  bytes: number
  share: number
  fairShare: number
  shareAfter: number
}

export interface SharesInput {
  /** The nodes that may give and receive: live and in service. */
  nodes: readonly Node[]
  usage: readonly { nodeId: NodeId; bytes: number }[]
  /** How far a node may be from its fair share before anything moves, as a part of that share, 0 to 1. */
  tolerance: number
}

/**
 * Which nodes give and receive how many bytes, so that every node ends within `tolerance` of its fair share and as little as possible
 * moves: the fullest nodes are cut down to one level, the emptiest are filled up to another. A node's fair share follows its capacity and
 * not its free bytes, since moved content stays on its old disk for a while and would count against that node.
 */
export function fairShares({ nodes, usage, tolerance }: SharesInput, policy: RoomPolicy): Share[] {
  const bytesByNode = new Map(usage.map(({ nodeId, bytes }) => [nodeId, bytes]))
  const sizes = nodes.map((node) => ({
    node,
    bytes: bytesByNode.get(node.id) ?? 0,
    weight: capacityOf(node),
    room: freeBytes(node, policy),
  }))
  const mean = sum(sizes, ({ bytes }) => bytes) / sum(sizes, ({ weight }) => weight)
  if (!Number.isFinite(mean)) return []
  const given = (level: number): number => sum(sizes, (size) => above(size, level))
  const taken = (level: number): number => sum(sizes, (size) => below(size, level))
  const wanted = Math.max(given((1 + tolerance) * mean), taken((1 - tolerance) * mean))
  const volume = Math.min(wanted, given(mean), taken(mean))
  const top = levelOf(volume, given, mean, Math.max(...sizes.map(({ bytes, weight }) => bytes / weight)))
  const bottom = levelOf(volume, taken, mean, 0)
  return sizes.map((size) => ({
    node: size.node,
    bytes: size.bytes,
    fairBytes: mean * size.weight,
    mostBytes: (1 + tolerance) * mean * size.weight,
    gives: volume === 0 ? 0 : above(size, top),
    takes: volume === 0 ? 0 : below(size, bottom),
  }))
}

/** The shares as lines for people, the fullest node first. */
export function shareLines(shares: readonly Share[]): ShareLine[] {
  const total = Math.max(
    sum(shares, ({ bytes }) => bytes),
    1,
  )
  return shares
    .map(({ node, bytes, fairBytes, gives, takes }) => ({
      nodeId: node.id,
      name: node.name,
      bytes,
      share: bytes / total,
      fairShare: fairBytes / total,
      shareAfter: (bytes - gives + takes) / total,
    }))
    .toSorted((a, b) => b.share / b.fairShare - a.share / a.fairShare || (a.nodeId < b.nodeId ? -1 : 1))
}

interface Size {
  bytes: number
  weight: number
  room: number
}

function above({ bytes, weight }: Size, level: number): number {
  return Math.max(bytes - level * weight, 0)
}

function below({ bytes, weight, room }: Size, level: number): number {
  return Math.min(Math.max(level * weight - bytes, 0), room)
}

/**
 * The level between `near` and `far` where `volumeAt` equals `volume`, found by bisection. `volumeAt` falls from at least `volume` at
 * `near` to 0 at `far`.
 */
function levelOf(volume: number, volumeAt: (level: number) => number, near: number, far: number): number {
  let [enough, short] = [near, far]
  for (let step = 0; step < 100; step++) {
    const middle = (enough + short) / 2
    if (volumeAt(middle) >= volume) enough = middle
    else short = middle
  }
  return enough
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0)
}
