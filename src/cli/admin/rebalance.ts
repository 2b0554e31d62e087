import type { OperatorUseCases, PlanView } from '../../core/operator-use-cases.ts'
import type { PlanId } from '../../core/ids.ts'
import { planProgressWire, planWire } from '../../http/admin/admin-wire.ts'
import type { Config } from '../../app/config.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { bytes, duration, json } from '../print.ts'
import { timeLeft } from '../time-left.ts'
import { WrongUse, type Io } from '../verb.ts'
import { watch } from '../watch.ts'
import { bytesMoved, bytesOf, planAsJson, planIdOf, planInFull, progressOf } from './show-plan.ts'
import { withOperator, type Operator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin rebalance [--dry-run] [--no-wait] [--json] [--config FILE] [--OPTION VALUE …]
       anchorage admin rebalance --plan PLAN [--no-wait] [--json] [--config FILE] [--OPTION VALUE …]
       anchorage admin rebalance --pause | --resume | --cancel PLAN [--json] [--config FILE] [--OPTION VALUE …]

Evens out what lies on the nodes: makes a plan of moves, saves it, and has the leader carry it out, a few moves at a time. No
copy is given up before the other one stands. Shows how far it is until all moves are done; Ctrl-C ends the watching, not the
plan.

--dry-run  only makes, saves and shows the plan: its id, its moves, their bytes and reasons
--plan     carries out exactly that plan; moves that no longer fit are skipped, each with a note. Of one that is carried out
           already it shows the end
--pause    begins no further moves of the plan; those under way end
--resume   goes on with a plan that was paused
--cancel   as --pause, for good
--no-wait  does not watch

--json prints the plan at the end; with --dry-run {"plan":…,"moves":[…]}.
Exit code 1 when the plan was not carried out. Works on the database of the node's own config, with HTTP and NATS down.
`

const options = {
  'dry-run': { type: 'boolean' },
  plan: { type: 'string' },
  pause: { type: 'string' },
  resume: { type: 'string' },
  cancel: { type: 'string' },
  'no-wait': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

interface Asked {
  action: 'make' | 'dry-run' | 'plan' | 'pause' | 'resume' | 'cancel'
  id: PlanId | null
  isWatched: boolean
  asJson: boolean
}

/** Makes, applies, pauses and cancels plans. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { config, asked } = askedOf(argv, io)
  return await withOperator(config, io, async ({ use, actor }) => {
    if (asked.action === 'make' || asked.action === 'dry-run') return await make({ use, actor }, asked, io)
    if (asked.id === null) throw new WrongUse('PLAN is missing')
    if (asked.action === 'pause') return tell(await use.pausePlan(asked.id, actor), asked, io)
    if (asked.action === 'cancel') return tell(await use.cancelPlan(asked.id, actor), asked, io)
    return await carryOut(use, await use.applyPlan(asked.id, actor), asked, io)
  })
}

function askedOf(argv: string[], io: Io): { config: Config; asked: Asked } {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  noMore(positionals)
  const { plan, pause, resume, cancel } = values
  const given = Object.entries({ 'dry-run': values['dry-run'], plan, pause, resume, cancel }).filter(
    ([, value]) => value !== undefined,
  )
  if (given.length > 1)
    throw new WrongUse(`expected one of ${given.map(([name]) => `--${name}`).join(' and ')}`)
  const id = plan ?? pause ?? resume ?? cancel
  const asked = {
    action: actionOf(given[0]?.[0]),
    id: id === undefined ? null : planIdOf(id),
    isWatched: !values['no-wait'],
    asJson: values.json ?? false,
  }
  return { config, asked }
}

function actionOf(flag: string | undefined): Asked['action'] {
  return (['dry-run', 'plan', 'pause', 'resume', 'cancel'] as const).find((each) => each === flag) ?? 'make'
}

async function make({ use, actor }: Pick<Operator, 'use' | 'actor'>, asked: Asked, io: Io): Promise<number> {
  const plan = await use.makePlan(actor, io.signal)
  if (asked.action === 'dry-run') {
    if (asked.asJson) await planAsJson(use, plan.id, io)
    else await planInFull(use, plan.id, false, io)
    if (!asked.asJson) {
      io.err(
        plan.moves === 0
          ? 'the nodes are even: nothing to move\n'
          : `nothing moves yet; anchorage admin rebalance --plan ${plan.id} carries it out\n`,
      )
    }
    return 0
  }
  if (plan.moves === 0) {
    io.out(asked.asJson ? json(planWire(plan)) : 'the nodes are even: nothing to move\n')
    return 0
  }
  if (!asked.asJson) io.out(`${plan.id}  ${plan.moves} moves, ${bytes(plan.bytes)}\n`)
  return await carryOut(use, await use.applyPlan(plan.id, actor), asked, io)
}

async function carryOut(use: OperatorUseCases, begun: PlanView, asked: Asked, io: Io): Promise<number> {
  const { id } = begun.plan
  if (!asked.isWatched) return tell(begun, asked, io)
  const isOver = ({ plan }: PlanView) => plan.state !== 'applying'
  const left = timeLeft()
  const show = (view: PlanView) => {
    const ms = left(bytesOf(view.plan) - bytesMoved(view.plan))
    return {
      text: progressOf(view),
      ...(!isOver(view) && ms !== null && { more: `about ${duration(ms)} left` }),
    }
  }
  const watched = { read: () => use.plan(id), isOver, show }
  const view = await watch(begun, watched, io, asked.asJson)
  if (asked.asJson) io.out(json(planProgressWire(view)))
  if (io.signal.aborted && !isOver(view)) {
    io.err(
      `it goes on; anchorage admin rebalance --plan ${id} watches it again, --pause ${id} pauses it, --cancel ${id} ends it\n`,
    )
  }
  return view.plan.state === 'applied' ? 0 : 1
}

function tell(view: PlanView, { asJson }: Asked, io: Io): number {
  io.out(asJson ? json(planProgressWire(view)) : `${view.plan.id}  ${progressOf(view)}\n`)
  return 0
}
