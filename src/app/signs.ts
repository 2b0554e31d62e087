import type { Heartbeat } from '../cluster/heartbeat.ts'
import type { Inability } from '../core/node.ts'
import type { Sign } from '../store/nodes.ts'
import type { KuboWatch } from './kubo-watch.ts'
import type { LiveNodes } from './live-nodes.ts'
import type { PostgresWatch } from './postgres-watch.ts'
import type { Self } from './self.ts'
import type { WorkerNeeds } from './workers.ts'

/** This node's sign of life in Postgres. Until the whole node has started, it carries no report. */
export function signOf(kubo: KuboWatch, self: Self | null): Sign {
  const sign = { usedBytes: kubo.usedBytes(), capacityBytes: kubo.capacityBytes(), unable: kubo.unable() }
  return self === null ? sign : { ...sign, report: self.report() }
}

export interface HeartbeatParts extends Pick<WorkerNeeds, 'config' | 'node' | 'kubo' | 'pressure'> {
  nodes: LiveNodes
  postgres: PostgresWatch
  self: Self | null
}

/** What this node says of itself to the others, every second. */
export function heartbeatOf({
  config,
  node,
  nodes,
  kubo,
  postgres,
  pressure,
  self,
}: HeartbeatParts): Heartbeat {
  const known = nodes.nodes().find(({ id }) => id === node.nodeId)
  return {
    nodeId: node.nodeId,
    name: config.node.name,
    incarnation: node.incarnation,
    zone: config.node.zone ?? null,
    capacityBytes: kubo.capacityBytes() ?? known?.capacityBytes ?? null,
    usedBytes: kubo.usedBytes() ?? known?.usedBytes ?? null,
    state: known?.state ?? 'active',
    acceptMs: pressure.acceptMs(),
    unable: longest(kubo.unable(), postgres.unable()),
    ...(self === null ? {} : { kubo: self.kuboSign() }),
  }
}

function longest(one: Inability | null, other: Inability | null): Inability | null {
  if (one === null || other === null) return one ?? other
  return one.forMs >= other.forMs ? one : other
}
