import type { NodeStatus } from '../../core/operator-use-cases.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { duration, json, printable, table } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin reconcile [NODE] [--json] [--config FILE] [--OPTION VALUE …]
       anchorage admin reconcile NODE --confirm [--json] [--config FILE] [--OPTION VALUE …]

Every node compares its Kubo's pins with its placements. Before it removes more pins than a mistake should cost (100, or 1 % of
them) it stops: a wrong database or an old backup must not empty a fleet. On a restored database it changes nothing at all until it
is let. This shows how each node's reconciler fares.

--confirm  lets the reconciler of NODE go on, this once; first make sure that the database is the right one and up to date.

NODE is a name or a TypeID. --json prints {"results":[{"id","name","blocked","endedAt","report"}]}.
Works on the database of the node's own config, with HTTP and NATS down.
`

const options = { confirm: { type: 'boolean' }, json: { type: 'boolean' } } as const

/** Shows how reconcilers fare, or lets one go on. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [node, ...more] = positionals
  noMore(more)
  if (values.confirm && node === undefined)
    throw new WrongUse(
      'NODE is missing: --confirm lets one node go on, and anchorage admin reconcile lists them',
    )
  const statuses = await withOperator(config, io, async ({ use, actor }) => {
    if (node !== undefined && values.confirm) return [await use.confirmReconcile(node, actor)]
    return node === undefined ? await use.statuses() : [await use.node(node)]
  })
  if (values.json) return io.out(json({ results: statuses.map(wireOf) }))
  if (values.confirm)
    return io.out(`${statuses.map(({ node: { name } }) => printable(name)).join()} goes on\n`)
  io.out(
    table(
      ['NODE', 'RAN', 'FOUND', 'STOPPED BEFORE'],
      statuses.map((view) => rowOf(view, Date.now())),
    ),
  )
}

function wireOf({ node, report }: NodeStatus) {
  const { id, name } = node
  const last = report?.workers.find((worker) => worker.name === 'reconciler')
  const endedAtMs = last?.endedAtMs ?? null
  const endedAt = endedAtMs === null ? null : new Date(endedAtMs).toISOString()
  return { id, name, blocked: report?.reconcileBlocked ?? null, endedAt, report: last?.report ?? null }
}

function rowOf(view: NodeStatus, nowMs: number): string[] {
  const { name, blocked, endedAt, report } = wireOf(view)
  return [
    name,
    endedAt === null ? 'not yet' : `${duration(Math.max(0, nowMs - Date.parse(endedAt)))} ago`,
    Object.entries(report ?? {})
      .map(([key, value]) => `${key} ${String(value)}`)
      .join(', '),
    blocked === null ? '' : stoppedBefore(blocked, report ?? {}),
  ]
}

function stoppedBefore(
  removals: number,
  { restored, missing }: { restored?: unknown; missing?: unknown },
): string {
  if (restored !== true) return `${removals} removals`
  return `${String(missing)} pins and ${removals} removals: the database was restored`
}
