import type { PlanId } from '../../core/ids.ts'
import type { OperatorUseCases } from '../../core/operators.ts'
import { planProgressWire, planWire } from '../../http/admin/admin-wire.ts'
import { wholeNumberOf } from '../arguments.ts'
import { configuredVerb } from '../config-arguments.ts'
import { behind, display, tableOf, watchTells, type Screen } from '../display.ts'
import { stateIn } from '../paint.ts'
import { bytes } from '../print.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { planAsJson, planHead, planIdOf, planInFull } from './show-plan.ts'
import { withOperator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'PLAN', rank: 1 },
  { head: 'STATE', rank: 1, colour: stateIn },
  { head: 'MOVES DONE', rank: 1 },
  { head: 'BYTES', rank: 2 },
  { head: 'MADE', rank: 3 },
  { head: 'BY', rank: 4 },
]

/** Lists plans, or shows one. */
export const command = configuredVerb(
  {
    about: `Lists plans of moves, newest first, or shows one with its moves: what carries what from where to where, and why.
anchorage admin rebalance makes, applies, pauses and cancels them.
Works on the database of the node's own config, with HTTP and NATS down.`,
    json: '{"results":[…]}, or {"plan":…,"moves":[…]} with every move; one plan with --watch: the plan.',
    examples: ['admin plans', 'admin plans pln_01h455vb4pex5vsknk084sn02q --watch'],
  },
  (bare) =>
    bare
      .argument('[PLAN]', 'show this one; a TypeID', planIdOf)
      .option('--limit <N>', 'at most this many plans, up to 1000', wholeNumberOf('--limit', 1, 1000), 20)
      .option('--all', 'every move of the plan, not only the first hundred')
      .option('--watch', `${watchTells}; of one plan only how far it is`),
  async ([id], { limit, all, watch }, io, config) =>
    await withOperator(config, behind(io, watch), async ({ use }) => {
      if (id === undefined) return await list(use, limit, watch, io)
      if (watch) return await watchOne(use, id, io)
      if (io.json) return await planAsJson(use, id, io)
      await planInFull(use, id, all ?? false, io)
    }),
)

async function list(use: OperatorUseCases, limit: number, watch: boolean | undefined, io: Io): Promise<void> {
  type Plans = Awaited<ReturnType<typeof use.plans>>
  const screen = (plans: Plans): Screen => {
    if (plans.length === 0)
      return { text: '', notes: ['there are no plans; anchorage admin rebalance --dry-run makes one'] }
    const rows = plans.map(({ id, state, moves, bytes: size, done, skipped, createdAt, actor }) => [
      id,
      state,
      `${done + skipped} of ${moves}${skipped === 0 ? '' : ` (${skipped} skipped)`}`,
      bytes(size),
      createdAt.toISOString(),
      actor,
    ])
    return tableOf(columns, rows, io)
  }
  const json = (plans: Plans) => ({ results: plans.map(planWire) })
  await display({ read: () => use.plans(limit), screen, json }, watch, io)
}

async function watchOne(use: OperatorUseCases, id: PlanId, io: Io): Promise<void> {
  await display(
    { read: () => use.plan(id), screen: (view) => ({ text: planHead(view, io) }), json: planProgressWire },
    true,
    io,
  )
}
