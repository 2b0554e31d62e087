import type { Node } from './node.ts'

/**
 * How far a node's copies can be relied on. `good`: it works. `unable`: it is live, but has not reached its Kubo or Postgres for a short
 * time. `blinking`: it is silent, but only briefly. The pinned copies of both still count. `down`: it has not worked for longer than the
 * grace. `draining`: it gives up its content or has given it up, whether it works or not.
 */
export type NodeStanding = 'good' | 'unable' | 'blinking' | 'down' | 'draining'

export interface DownPolicy {
  /** How long the copies of a node that does not work still count, ms. */
  downGraceMs: number
}

export function nodeStanding(node: Node, policy: DownPolicy): NodeStanding {
  if (node.state !== 'active') return 'draining'
  if (isWorking(node)) return 'good'
  if (isDown(node, policy)) return 'down'
  return node.live ? 'unable' : 'blinking'
}

/** Whether the node is live, and reaches what it needs to pin and serve content. */
export function isWorking({ live, unable }: Pick<Node, 'live' | 'unable'>): boolean {
  return live && unable === null
}

/** Whether the node counts as down, draining or not. Its copies are lost until it works again, whichever node leads by then. */
export function isDown(node: Node, { downGraceMs }: DownPolicy): boolean {
  return !isWorking(node) && (node.down || awayMs(node) > downGraceMs)
}

/** How long the node has not worked, ms; 0 while it works. */
export function awayMs({ live, silentMs, unable }: Node): number {
  return Math.max(live ? 0 : silentMs, unable?.forMs ?? 0)
}
