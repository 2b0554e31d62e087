import type { NodeId } from '../core/ids.ts'
import type { Node } from '../core/node.ts'
import type { Ipfs } from '../core/ports.ts'
import type { NodeWorker, Report } from './driver.ts'

/** The most siblings that a run dials. If there are more, each run dials the next ones, so that all get their turn. */
const fanOut = 32
/** Siblings dialled at a time. */
const lanes = 8

/** The dependencies of `siblings`. */
export interface SiblingParts {
  nodeId: NodeId
  nodes: () => readonly Node[]
  ipfs: Pick<Ipfs, 'connectSibling'>
}

/**
 * Keeps this node's Kubo connected to the Kubos of the other nodes, so that a copy is fetched from a sibling without asking any DHT.
 * Dialling a connected sibling changes nothing, so the worker compares nothing, and running it twice is safe.
 */
export function siblings({ nodeId, nodes, ipfs }: SiblingParts): NodeWorker {
  let dialledLast = ''

  async function run({ signal }: { signal: AbortSignal }): Promise<Report> {
    const others = nodes()
      .filter(({ id, live, multiaddrs }) => id !== nodeId && live && multiaddrs.length > 0)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const turn = inTurn(others, others.length > fanOut ? dialledLast : '')
    dialledLast = turn.at(-1)?.id ?? ''
    let connected = 0
    const left = turn.values()
    const lane = async (): Promise<void> => {
      for (const { multiaddrs } of left) if (await reach(multiaddrs, signal)) connected++
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    return { siblings: others.length, dialled: turn.length, connected }
  }

  /** Connects to a sibling by its first address that answers. */
  async function reach(multiaddrs: readonly string[], signal: AbortSignal): Promise<boolean> {
    for (const multiaddr of multiaddrs) {
      signal.throwIfAborted()
      try {
        await ipfs.connectSibling(multiaddr, signal)
        return true
      } catch {
        // Another address may answer, and the next run tries again.
      }
    }
    return false
  }

  return { name: 'siblings', everyMs: 60_000, firstAfterMs: 2_000, leaderOnly: false, run }
}

/** The next `fanOut` nodes after `last`; the first node follows the last one. */
function inTurn(nodes: readonly Node[], last: string): Node[] {
  const after = nodes.filter(({ id }) => id > last)
  return [...after, ...nodes.slice(0, nodes.length - after.length)].slice(0, fanOut)
}
