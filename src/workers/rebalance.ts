import { isCode } from '../core/errors.ts'
import type { Plan, PlanStore } from '../core/plan-ports.ts'
import type { Bus, Clock, Log, RepairStore } from '../core/ports.ts'
import type { LeaderTurn, LeaderWorker, Report } from './driver.ts'
import { hint } from './hint.ts'
import { Pace } from './pace.ts'

const everyMs = 1_000
/** Moves begun in one transaction. */
const batch = 64

/** What applying plans is made of. */
export interface RebalanceParts {
  plans: Pick<PlanStore, 'applying' | 'startMoves' | 'settleMoves'>
  copies: Pick<RepairStore, 'moving'>
  bus: Pick<Bus, 'publishJobs'>
  /** How much may be under way at a time, repairs included: those come first. */
  limits: { moves: number; bytes: number }
  /** What accepts took lately, anywhere in the cluster, ms; null without any: moves step back for them. */
  acceptMs: () => number | null
  clock: Pick<Clock, 'now'>
  log: Log
}

type PacedParts = RebalanceParts & { pace: Pace }

/**
 * Applies the plan that an operator set to be applied: notes which of its moves are done, and begins as many more as may be under
 * way. The plan and its moves are rows, each move begins once and only if it still fits, and every write is made under the
 * leader's epoch; so a run that is cut off, or made twice, moves nothing twice. A plan that is paused is not there to be applied;
 * in maintenance the store refuses, and nothing is begun.
 */
export function rebalance(parts: RebalanceParts): LeaderWorker {
  const pace = new Pace(parts.clock)
  return { name: 'rebalance', everyMs, leaderOnly: true, run: (turn) => run({ ...parts, pace }, turn) }
}

async function run(parts: PacedParts, turn: LeaderTurn): Promise<Report> {
  const plan = await parts.plans.applying()
  const { pace, limits, acceptMs } = parts
  // While a plan is applied something is under way, or was a moment ago.
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
  // Stopped: what is under way is noted, and no more is begun.
  if (plan.state !== 'applying') return { done, left, started: 0, skipped: 0 }
  if (left === 0) {
    log.info({ planId: plan.id, moves: plan.moves }, 'a plan is applied')
    return { done, left, started: 0, skipped: 0 }
  }
  let started = 0
  let skipped = 0
  while (!signal.aborted) {
    // Asked anew for every batch: what its copies weigh is known only then.
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
