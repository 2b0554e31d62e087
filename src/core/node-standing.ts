import type { Node } from './node.ts'

/**
 * How far a node's copies can be relied on. `good`: it is live. `blinking`: it is silent, but only briefly, so its copies still count.
 * `down`: it is silent for longer than the grace. `draining`: it gives up its content or has given it up, whether it is live or not.
 */
export type NodeStanding = 'good' | 'blinking' | 'down' | 'draining'

export interface DownPolicy {
  /** How long a silent node's copies still count, ms. */
  downGraceMs: number
}

export function nodeStanding(node: Node, policy: DownPolicy): NodeStanding {
  if (node.state !== 'active') return 'draining'
  if (node.live) return 'good'
  return isDown(node, policy) ? 'down' : 'blinking'
}

/** Whether the node is declared down, draining or not. Its copies are lost until it gives a sign again. */
export function isDown(node: Node, { downGraceMs }: DownPolicy): boolean {
  return !node.live && node.silentMs > downGraceMs
}
