import type { Plan, PlanView } from '../../core/plan.ts'
import { planProgressWire, planWire } from '../../http/admin/admin-wire.ts'
import { wholeNumberOf } from '../arguments.ts'
import { tableOf, watchTells, type Screen } from '../display.ts'
import { stateIn } from '../paint.ts'
import { bytes } from '../print.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'
import { planAsJson, planHead, planIdOf, planInFull } from './show-plan.ts'

const columns: readonly Column[] = [
  { head: 'PLAN', rank: 1 },
  { head: 'STATE', rank: 1, colour: stateIn },
  { head: 'MOVES DONE', rank: 1 },
  { head: 'BYTES', rank: 2 },
  { head: 'CREATED', rank: 3 },
  { head: 'BY', rank: 4 },
]

/** Lists plans, or shows one. */
export const command = operatorVerb(
  {
    about: `Lists the rebalance plans, newest first. With PLAN, shows one plan with its moves: each content, its old and its new
node, and the reason. anchorage admin rebalance makes, applies, pauses and cancels plans.`,
    json: '{"results":[…]}; with PLAN, {"plan":…,"moves":[…]} with every move; with PLAN and --watch, the plan.',
    examples: ['admin plans', 'admin plans pln_01h455vb4pex5vsknk084sn02q --watch'],
  },
  (bare) =>
    bare
      .argument('[PLAN]', 'show only this plan (id)', planIdOf)
      .option('--limit <N>', 'at most this many plans, up to 1000', wholeNumberOf('--limit', 1, 1000), 20)
      .option('--all', 'show every move of the plan, not only the first hundred')
      .option('--watch', `${watchTells}; with PLAN, only its progress`),
  ([id], { limit, all = false, watch }, io) =>
    async ({ use, show }) => {
      if (id === undefined) {
        const json = (plans: Plan[]) => ({ results: plans.map(planWire) })
        return await show({ read: () => use.plans(limit), screen: (plans) => list(plans, io), json })
      }
      if (watch) {
        const screen = (view: PlanView) => ({ text: planHead(view, io) })
        return await show({ read: () => use.plan(id), screen, json: planProgressWire })
      }
      if (io.json) return await planAsJson(use, id, io)
      await planInFull(use, id, all, io)
    },
)

function list(plans: Plan[], io: Io): Screen {
  return tableOf(
    columns,
    plans.map(rowOf),
    io,
    'there are no plans; anchorage admin rebalance --dry-run makes one',
  )
}

function rowOf({ id, state, moves, bytes: size, done, skipped, createdAt, actor }: Plan): string[] {
  const finished = `${done + skipped} of ${moves}${skipped === 0 ? '' : ` (${skipped} skipped)`}`
  return [id, state, finished, bytes(size), createdAt.toISOString(), actor]
}
