import { mintId } from '../../src/core/ids.ts'
import type { NodeReport } from '../../src/core/node-report.ts'
import type { Node } from '../../src/core/node.ts'

/** A node in service, of which nothing else is known. */
export function fakeNode(more: Partial<Node> = {}): Node {
  return {
    id: mintId('nod'),
    name: 'n',
    zone: null,
    multiaddrs: [],
    capacityBytes: null,
    usedBytes: null,
    state: 'active',
    live: true,
    silentMs: 0,
    unable: null,
    down: false,
    ...more,
  }
}

/** The report of a node that has nothing to tell. */
export function fakeReport(more: Partial<NodeReport> = {}): NodeReport {
  return {
    version: '1',
    leader: null,
    heard: {},
    caches: {},
    workers: [],
    pinning: {},
    reasons: [],
    reconcileBlocked: null,
    ...more,
  }
}
