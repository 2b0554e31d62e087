import type { NodeId } from './ids.ts'
import type { Node } from './node.ts'
import { freeBytes, hasRoom, type RoomPolicy } from './standing.ts'

/** Nodes named beside the wanted ones: one that holds the content already is passed over. */
const spares = 3

/**
 * The nodes for a new content, best first: weighted rendezvous hashing (Schindelhauer and Schomaker, 2005), so that a node that
 * comes or goes moves only its own share, and a node gets content in proportion to its free bytes. Zones alternate: no zone
 * gets a second copy before each has one. Only nodes that take content now: there may be fewer than `replicas`, or none.
 */
export function chooseNodes(
  cid: string,
  nodes: readonly Node[],
  replicas: number,
  policy: RoomPolicy = { highWater: 1 },
): NodeId[] {
  const taking = nodes.filter((node) => takesContent(node, 0, policy))
  return preferred(cid, taking, policy)
    .slice(0, replicas + spares)
    .map((node) => node.id)
}

/** May `node` take new content of `bytes` (0: not known) now? It lives, is in service, and has room below its high water. */
export function takesContent(node: Node, bytes: number, policy: RoomPolicy): boolean {
  return node.live && node.state === 'active' && hasRoom(node, bytes, policy)
}

/**
 * All of `nodes`, best first for this content: by rank, and the zones in turn. `beside` are the nodes that have it already:
 * their zones come later.
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

/** A node's free bytes; one that has not told its size yet passes for as free as the others are in the middle. */
function weights(nodes: readonly Node[], policy: RoomPolicy): (node: Node) => number {
  const isTold = ({ capacityBytes }: Node): boolean => capacityBytes !== null
  const known = nodes.filter(isTold).map((node) => freeBytes(node, policy))
  if (known.length === nodes.length) return (node) => freeBytes(node, policy)
  const usual = known.toSorted((a, b) => a - b)[Math.floor(known.length / 2)] ?? 1
  return (node) => (isTold(node) ? freeBytes(node, policy) : usual)
}

/** Keeps the order within a zone and takes the zones in turn, after the turns that `beside` had. Nodes without a zone share one. */
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

/** What a content or a node brings to their rank: a hash of its id, which is worth keeping where many are ranked. */
export type RankKey = readonly [number, number]

/** Two hashes of 32 bits: FNV-1a, from two starts and with two factors. Weak in itself; it is mixed after. */
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

/** A node's score for one content: among many, its chance to be the highest is its share of the weights. The same everywhere. */
export function rankScore([a, b]: RankKey, [c, d]: RankKey, weight: number): number {
  const high = mix(a ^ mix(c ^ d))
  const low = mix(b ^ mix(d + high))
  // of 48 bits, so that neither 0 nor 1 can come out
  return weight / -Math.log((high * 2 ** 16 + (low >>> 16) + 0.5) / 2 ** 48)
}

/** MurmurHash3's finalizer: every bit in flips every bit out with even odds. */
function mix(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
