import type { SharedSettings } from '../core/shared-settings.ts'
import type { Config } from './config.ts'

/**
 * The options that should have the same value on all nodes, because a node's value decides about content or rows of the whole cluster:
 * each node applies its own to the requests that it answers, and to all nodes while it leads.
 */
export function sharedSettings({ audit, cluster, pin }: Config): SharedSettings {
  return {
    'audit.retain': audit.retain === undefined ? 'not set' : String(audit.retain),
    'cluster.downGrace': inUnits(cluster.downGrace),
    'cluster.highWater': String(cluster.highWater),
    'cluster.leaseTtl': inUnits(cluster.leaseTtl),
    'cluster.minReplicas': String(cluster.minReplicas),
    'pin.replicas': String(pin.replicas),
    'pin.unpinGrace': inUnits(pin.unpinGrace),
  }
}

/** Milliseconds in the largest unit that keeps them whole, so that one duration has one spelling. */
function inUnits(ms: number): string {
  const units = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 }
  for (const [unit, length] of Object.entries(units))
    if (ms >= length && ms % length === 0) return `${ms / length}${unit}`
  return `${ms}ms`
}
