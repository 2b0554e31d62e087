import type { PlanId } from '../../core/ids.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import type { PlanView } from '../../core/plan.ts'
import { planProgressWire, planWire } from '../../http/admin/admin-wire.ts'
import { bytes, json } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { watchToEnd, type Operation } from '../watch.ts'
import { operatorVerb } from './operator-verb.ts'
import { bytesMoved, bytesOf, planAsJson, planIdOf, planInFull, progressOf } from './show-plan.ts'
import type { Operator } from './with-operator.ts'

/** Makes, applies, pauses and cancels plans. */
export const command = operatorVerb(
  {
    about: `Moves content so that the nodes fill evenly: makes a plan of moves, saves it, and lets the leader carry it out, a few
moves at a time. A copy is deleted only after its replacement is pinned. Shows the progress until all moves are done. Ctrl-C stops
watching; the plan continues.`,
    json: 'the plan at the end; with --dry-run {"plan":…,"moves":[…]}.',
    notes: 'The exit code is 1 if the plan is not carried out.',
    examples: [
      'admin rebalance --dry-run',
      'admin rebalance --plan pln_01h455vb4pex5vsknk084sn02q',
      'admin rebalance --pause pln_01h455vb4pex5vsknk084sn02q',
    ],
  },
  (bare) =>
    bare
      .option(
        '--dry-run',
        'make, save and show the plan, but do not carry it out: its id, its moves, their bytes and reasons',
      )
      .option(
        '--plan <PLAN>',
        'carry out exactly this plan. Moves that no longer fit are skipped, each with a note. If the plan has been carried out already, its result is shown',
      )
      .option('--pause <PLAN>', 'start no more moves of this plan; moves under way finish')
      .option('--resume <PLAN>', 'continue a plan that was paused')
      .option('--cancel <PLAN>', 'like --pause, but for good')
      .option('--no-wait', 'return without watching the plan'),
  (_args, { wait, ...values }, io) => {
    const asked = askedOf(values, wait)
    return async ({ use, actor }) => {
      if (asked.action === 'make' || asked.action === 'dry-run') return await make({ use, actor }, asked, io)
      if (asked.id === null) throw new WrongUse('PLAN is missing')
      if (asked.action === 'pause') return tell(await use.pausePlan(asked.id, actor), io)
      if (asked.action === 'cancel') return tell(await use.cancelPlan(asked.id, actor), io)
      return await carryOut(use, await use.applyPlan(asked.id, actor), asked, io)
    }
  },
)

interface Asked {
  action: 'make' | 'dry-run' | 'plan' | 'pause' | 'resume' | 'cancel'
  id: PlanId | null
  isWatched: boolean
}

interface Values {
  dryRun?: true | undefined
  plan?: string | undefined
  pause?: string | undefined
  resume?: string | undefined
  cancel?: string | undefined
}

function askedOf({ dryRun, plan, pause, resume, cancel }: Values, isWatched: boolean): Asked {
  const given = Object.entries({ 'dry-run': dryRun, plan, pause, resume, cancel }).filter(
    ([, value]) => value !== undefined,
  )
  if (given.length > 1)
    throw new WrongUse(`expected only one of ${given.map(([name]) => `--${name}`).join(' and ')}`)
  const id = plan ?? pause ?? resume ?? cancel
  return { action: actionOf(given[0]?.[0]), id: id === undefined ? null : planIdOf(id), isWatched }
}

function actionOf(flag: string | undefined): Asked['action'] {
  return (['dry-run', 'plan', 'pause', 'resume', 'cancel'] as const).find((each) => each === flag) ?? 'make'
}

async function make({ use, actor }: Pick<Operator, 'use' | 'actor'>, asked: Asked, io: Io): Promise<number> {
  const plan = await use.makePlan(actor, io.signal)
  if (asked.action === 'dry-run') {
    if (io.json) await planAsJson(use, plan.id, io)
    else await planInFull(use, plan.id, false, io)
    if (!io.json) {
      io.err(
        plan.moves === 0
          ? 'the nodes are filled evenly: there is nothing to move\n'
          : `nothing is moved yet; anchorage admin rebalance --plan ${plan.id} carries it out\n`,
      )
    }
    return 0
  }
  if (plan.moves === 0) {
    io.out(io.json ? json(planWire(plan)) : 'the nodes are filled evenly: there is nothing to move\n')
    return 0
  }
  if (!io.json) io.out(`${plan.id}  ${plan.moves} moves, ${bytes(plan.bytes)}\n`)
  return await carryOut(use, await use.applyPlan(plan.id, actor), asked, io)
}

async function carryOut(use: OperatorUseCases, begun: PlanView, asked: Asked, io: Io): Promise<number> {
  const { id } = begun.plan
  if (!asked.isWatched) return tell(begun, io)
  const operation: Operation<PlanView> = {
    read: () => use.plan(id),
    isOver: ({ plan }) => plan.state !== 'applying',
    isDone: ({ plan }) => plan.state === 'applied',
    show: (view) => ({ text: progressOf(view) }),
    bytesLeft: ({ plan }) => bytesOf(plan) - bytesMoved(plan),
    json: planProgressWire,
    goesOn: `the plan continues; anchorage admin rebalance --plan ${id} watches it again, --pause ${id} pauses it, --cancel ${id} ends it`,
  }
  return await watchToEnd(begun, operation, io)
}

function tell(view: PlanView, io: Io): number {
  io.out(io.json ? json(planProgressWire(view)) : `${view.plan.id}  ${progressOf(view)}\n`)
  return 0
}
