import { isCode } from '../core/errors.ts'
import type { PlanStore } from '../core/plan-ports.ts'
import type { Plan } from '../core/plan.ts'
import type { Bus, Log, RepairStore, SteadyClock } from '../core/ports.ts'
import type { LeaderTurn, LeaderWorker, Report } from './driver.ts'
import { hint } from './send-hints.ts'
import { Pace } from './pace.ts'

const everyMs = 1_000
/** The most moves begun in one transaction. */
const batch = 64

/** The dependencies of `rebalance`. */
export interface RebalanceParts {
  plans: Pick<PlanStore, 'applying' | 'startMoves' | 'settleMoves'>
  copies: Pick<RepairStore, 'moving'>
  bus: Pick<Bus, 'publishJobs'>
  /** How much may be under way at a time, including repairs, which come first. */
  limits: { moves: number; bytes: number }
  /** How long accepts took lately, anywhere in the cluster, ms; null when there were none. Moves slow down for the sake of accepts. */
  acceptMs: () => number | null
  clock: Pick<SteadyClock, 'steadyMs'>
  log: Log
}

type PacedParts = RebalanceParts & { pace: Pace }

/**
 * Applies the plan that an operator chose to apply: records which of its moves are done, and begins as many more as may be under way. The
 * plan and its moves are rows. Each move begins once, and only if it still fits, and every write is made under the leader's epoch. So a run
 * that is cut off, or made twice, moves nothing twice. No move of a paused plan begins. During maintenance the store refuses, and nothing
 * begins.
 */
export function rebalance(parts: RebalanceParts): LeaderWorker {
  const pace = new Pace(parts.clock)
  return { name: 'rebalance', everyMs, leaderOnly: true, run: (turn) => run({ ...parts, pace }, turn) }
}

async function run(parts: PacedParts, turn: LeaderTurn): Promise<Report> {
  const plan = await parts.plans.applying()
  const { pace, limits, acceptMs } = parts
  // While a plan is applied, a copy is under way or was a moment ago.
  const most = pace.copies(limits.moves, acceptMs(), plan !== null)
  if (plan === null) return { applying: false, maintenance: false }
  try {
    return {
      ...(await apply(parts, plan, most, turn)),
      applying: plan.state === 'applying',
      maintenance: false,
    }
  } catch (error) {
    if (!isCode(error, 'maintenance')) throw error
    return { applying: true, maintenance: true }
  }
}

async function apply(
  { plans, copies, bus, limits, log }: RebalanceParts,
  plan: Plan,
  most: number,
  { epoch, signal }: LeaderTurn,
): Promise<Report> {
  const { done, left } = await plans.settleMoves(epoch, plan.id)
  // The plan was paused or stopped: moves under way are recorded, and no more begin.
  if (plan.state !== 'applying') return { done, left, started: 0, skipped: 0 }
  if (left === 0) {
    log.info({ planId: plan.id, moves: plan.moves }, 'a plan is finished')
    return { done, left, started: 0, skipped: 0 }
  }
  let started = 0
  let skipped = 0
  while (!signal.aborted) {
    // Read again for every batch, because the size of its copies is known only once they are under way.
    const moving = await copies.moving()
    const moves = Math.min(batch, most - moving.copies)
    if (moves <= 0 || moving.bytes >= limits.bytes) break
    const begun = await plans.startMoves(epoch, plan.id, moves, limits.bytes - moving.bytes)
    await hint(bus, begun.jobs, log)
    started += begun.started
    skipped += begun.skipped
    if (begun.started + begun.skipped === 0) break
  }
  return { done, left, started, skipped }
}
