import type { RebalancePolicy } from '../core/plan-rebalance.ts'
import type { RepairPolicy } from '../core/plan-repair.ts'
import type { Config } from './config.ts'

/** By what the leader repairs and plans are made, as the config says it in percent and in time. */
export function operatorPolicy({
  cluster,
  rebalance,
}: Pick<Config, 'cluster' | 'rebalance'>): RebalancePolicy & RepairPolicy {
  return {
    tolerance: rebalance.tolerance / 100,
    highWater: cluster.highWater / 100,
    downGraceMs: cluster.downGrace,
    minCopies: cluster.minReplicas,
  }
}
