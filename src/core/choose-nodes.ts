import { createHash } from 'node:crypto'
import type { NodeId } from './ids.ts'
import type { Node } from './node.ts'

/**
 * The nodes for a content, best first: weighted rendezvous hashing (Schindelhauer and Schomaker, 2005), so that a node that
 * comes or goes moves only its own share, and a node gets content in proportion to its free bytes. Zones alternate: no zone
 * gets a second copy before each has one. Live, uncordoned nodes with room come first; the others follow as a last resort, since
 * a pin is accepted wherever Postgres can be reached and waits for its node.
 */
export function chooseNodes(cid: string, nodes: readonly Node[], replicas: number): NodeId[] {
  if (nodes.length <= 1) return nodes.map((node) => node.id)
  const eligible = nodes.filter(isEligible)
  const rest = nodes.filter((node) => !isEligible(node) && node.state === 'active')
  const chosen = [...spread(rank(cid, eligible)), ...spread(rank(cid, rest))]
  // spares beside the wanted ones: a node that holds it already is passed over
  return chosen.slice(0, replicas + 3).map((node) => node.id)
}

/** May `node` take new content now? */
export function isEligible(node: Node): boolean {
  return node.live && node.state === 'active' && freeBytes(node) > 0
}

function rank(cid: string, nodes: readonly Node[]): Node[] {
  return nodes
    .map((node) => ({ node, score: -freeBytes(node) / Math.log(unit(cid, node.id)) }))
    .sort((a, b) => b.score - a.score)
    .map(({ node }) => node)
}

/** Keeps the ranking within a zone and takes the zones in turn. */
function spread(ranked: Node[]): Node[] {
  const taken = new Map<string, number>()
  return ranked
    .map((node, place) => {
      const zone = node.zone ?? ''
      const turn = taken.get(zone) ?? 0
      taken.set(zone, turn + 1)
      return { node, place, turn }
    })
    .sort((a, b) => a.turn - b.turn || a.place - b.place)
    .map(({ node }) => node)
}

/** Nodes that have not told their size yet count as having 1 TiB. */
function freeBytes({ capacityBytes, usedBytes }: Node): number {
  return capacityBytes === null ? 2 ** 40 : Math.max(capacityBytes - (usedBytes ?? 0), 0)
}

/** A number in (0, 1) that is the same for the same pair everywhere. */
function unit(cid: string, nodeId: NodeId): number {
  const digest = createHash('sha256').update(`${cid} ${nodeId}`).digest()
  return (digest.readUIntBE(0, 6) + 0.5) / 2 ** 48
}
