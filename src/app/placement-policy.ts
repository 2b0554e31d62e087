import type { RebalancePolicy } from '../core/plan-rebalance.ts'
import type { RepairPolicy } from '../core/plan-repair.ts'
import type { Config } from '../config/config.ts'

/** The config's rules for where content is placed, used by accepts, by repair and by plans. Percentages become shares. */
export function policyOf({
  cluster,
  rebalance,
}: Pick<Config, 'cluster' | 'rebalance'>): RepairPolicy & RebalancePolicy {
  return {
    highWater: cluster.highWater / 100,
    downGraceMs: cluster.downGrace,
    minCopies: cluster.minReplicas,
    tolerance: rebalance.tolerance / 100,
  }
}
