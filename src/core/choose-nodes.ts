import type { NodeId } from './ids.ts'
import type { Node } from './node.ts'
import { freeBytes, hasRoom, type RoomPolicy } from './node-room.ts'
import { isWorking } from './node-standing.ts'

/** How many nodes are named in addition to the wanted ones. The store skips nodes that already hold the content. */
const spares = 3

/**
 * The nodes for a new content, best first. Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): a node that joins or leaves
 * moves only its own share, and nodes get content in proportion to their free bytes. Zones alternate: no zone gets a second copy before
 * each has one. Only nodes that take content now are returned, so there may be fewer than `replicas`. When no node can work, those that
 * could take the content once they can are returned: a node begins with its own rows without any leader.
 */
export function chooseNodes(
  cid: string,
  nodes: readonly Node[],
  replicas: number,
  policy: RoomPolicy = { highWater: 1 },
): NodeId[] {
  const open = nodes.filter((node) => isOpen(node, 0, policy))
  const working = open.filter(isWorking)
  const taking = working.length > 0 ? working : open
  return preferred(cid, taking, policy)
    .slice(0, replicas + spares)
    .map((node) => node.id)
}

/** Whether `node` may take new content of `bytes` (0: unknown) now: it works, is in service, and has room below its high water. */
export function takesContent(node: Node, bytes: number, policy: RoomPolicy): boolean {
  return isWorking(node) && isOpen(node, bytes, policy)
}

/** The same for a node that perhaps cannot work now. */
function isOpen(node: Node, bytes: number, policy: RoomPolicy): boolean {
  return node.live && node.state === 'active' && hasRoom(node, bytes, policy)
}

/**
 * All of `nodes`, best first for this content: by rank, with zones in turn. The zones of `beside`, the nodes that have the content already,
 * come later.
 */
export function preferred(
  cid: string,
  nodes: readonly Node[],
  policy: RoomPolicy,
  beside: readonly Node[] = [],
): Node[] {
  return zonesInTurn(ranked(cid, nodes, policy), beside)
}

function ranked(cid: string, nodes: readonly Node[], policy: RoomPolicy): Node[] {
  const key = rankKey(cid)
  const weightOf = weights(nodes, policy)
  return nodes
    .map((node) => ({ node, score: rankScore(key, rankKey(node.id), weightOf(node)) }))
    .sort((a, b) => b.score - a.score || (a.node.id < b.node.id ? -1 : 1))
    .map(({ node }) => node)
}

/** A node's free bytes. A node that has not reported its size yet gets the median of the others. */
function weights(nodes: readonly Node[], policy: RoomPolicy): (node: Node) => number {
  const isTold = ({ capacityBytes }: Node): boolean => capacityBytes !== null
  const known = nodes.filter(isTold).map((node) => freeBytes(node, policy))
  if (known.length === nodes.length) return (node) => freeBytes(node, policy)
  const usual = known.toSorted((a, b) => a - b)[Math.floor(known.length / 2)] ?? 1
  return (node) => (isTold(node) ? freeBytes(node, policy) : usual)
}

/** Keeps the order within a zone and takes the zones in turn, after the turns that `beside` used. Nodes without a zone share one. */
export function zonesInTurn(nodes: readonly Node[], beside: readonly Node[] = []): Node[] {
  const taken = new Map<string, number>()
  const turnOf = ({ zone }: Node): number => {
    const turn = taken.get(zone ?? '') ?? 0
    taken.set(zone ?? '', turn + 1)
    return turn
  }
  for (const node of beside) turnOf(node)
  return nodes
    .map((node, place) => ({ node, place, turn: turnOf(node) }))
    .sort((a, b) => a.turn - b.turn || a.place - b.place)
    .map(({ node }) => node)
}

/** What a content or a node contributes to their rank: a hash of its id. Callers that rank many pairs keep it. */
export type RankKey = readonly [number, number]

/** Two 32-bit FNV-1a hashes, with two start values and two factors. They are weak by themselves; `rankScore` mixes them. */
export function rankKey(id: string): RankKey {
  let a = 0x811c9dc5
  let b = 0x2c1b3c6d
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x85ebca6b)
  }
  return [a, b]
}

/**
 * A node's score for one content, the same on every machine. Among many nodes, the chance of having the highest score is the node's share
 * of the weights.
 */
export function rankScore([a, b]: RankKey, [c, d]: RankKey, weight: number): number {
  const high = mix(a ^ mix(c ^ d))
  const low = mix(b ^ mix(d + high))
  // 48 bits, so that the result is neither 0 nor 1
  return weight / -Math.log((high * 2 ** 16 + (low >>> 16) + 0.5) / 2 ** 48)
}

/** MurmurHash3's finalizer: each input bit flips each output bit with probability one half. */
function mix(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
