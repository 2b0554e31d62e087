import type { OperatorUseCases } from '../../core/operator-use-cases.ts'
import { planWire } from '../../http/admin/admin-wire.ts'
import { noMore, wholeNumberOf } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { bytes, json, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { planAsJson, planIdOf, planInFull } from './show-plan.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin plans [--limit N] [--json] [--config FILE] [--OPTION VALUE …]
       anchorage admin plans PLAN [--all] [--json] [--config FILE] [--OPTION VALUE …]

Lists plans of moves, newest first, or shows one with its moves: what carries what from where to where, and why.
anchorage admin rebalance makes, applies, pauses and cancels them.

--limit  at most this many plans, up to 1000 (default 20)
--all    every move, not only the first hundred

--json prints {"results":[…]}, or {"plan":…,"moves":[…]} with every move.
Works on the database of the node's own config, with HTTP and NATS down.
`

const options = {
  limit: { type: 'string' },
  all: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** Lists plans, or shows one. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const asJson = values.json ?? false
  const id = given === undefined ? null : planIdOf(given)
  const limit = wholeNumberOf(values.limit ?? '20', '--limit', 1, 1000)
  await withOperator(config, io, async ({ use }) => {
    if (id === null) return await list(use, limit, asJson, io)
    if (asJson) return await planAsJson(use, id, io)
    await planInFull(use, id, values.all ?? false, io)
  })
}

async function list(use: OperatorUseCases, limit: number, asJson: boolean, io: Io): Promise<void> {
  const plans = await use.plans(limit)
  if (asJson) return io.out(json({ results: plans.map(planWire) }))
  if (plans.length === 0) return io.err('there are no plans; anchorage admin rebalance --dry-run makes one\n')
  const rows = plans.map(({ id, state, moves, bytes: size, done, skipped, createdAt, actor }) => [
    id,
    state,
    `${done + skipped} of ${moves}${skipped === 0 ? '' : ` (${skipped} skipped)`}`,
    bytes(size),
    createdAt.toISOString(),
    actor,
  ])
  io.out(table(['PLAN', 'STATE', 'MOVES DONE', 'BYTES', 'MADE', 'BY'], rows))
}
