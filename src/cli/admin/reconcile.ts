import type { NodeStatus } from '../../core/node-statuses.ts'
import { confirm } from '../confirm.ts'
import { noNode, tableOf, watchTells } from '../display.ts'
import { duration, json, printable } from '../print.ts'
import type { Column } from '../table.ts'
import { WrongUse, type Io } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'
import type { Operator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'NODE', rank: 1, least: 12 },
  { head: 'RAN', rank: 2 },
  { head: 'FOUND', rank: 3, least: 16 },
  { head: 'STOPPED BEFORE', rank: 1, least: 16, colour: (paint, text) => paint.yellow(text) },
]

/** Shows how reconcilers fare, or lets one continue. */
export const command = operatorVerb(
  {
    about: `Shows the reconciler of each node, which compares the pins of the node's Kubo with its placements in the database.
Before it would remove more than 100 pins, and more than 1 % of them, it stops: a wrong database or an old backup must not delete
the content of the cluster. On a restored database it changes nothing until you confirm.`,
    json: '{"results":[{"id","name","blocked","endedAt","report"}]}.',
    examples: [
      'admin reconcile',
      'admin reconcile anchor-2 --confirm',
      'admin reconcile anchor-2 --confirm --yes',
    ],
  },
  (bare) =>
    bare
      .argument('[NODE]', 'show only this node (name or id)')
      .option(
        '--confirm',
        'let the reconciler of NODE continue, this once. Asks first. Make sure that the database is the right one and up to date',
      )
      .option('--watch', watchTells),
  ([node], { confirm: isConfirmed, watch }, io) => {
    if (isConfirmed && node === undefined)
      throw new WrongUse(
        'NODE is missing: --confirm lets one node continue, and anchorage admin reconcile lists the nodes',
      )
    if (isConfirmed && watch) throw new WrongUse('expected either --confirm or --watch')
    return async ({ use, actor, show }) => {
      if (node !== undefined && isConfirmed) return await letGoOn(node, { use, actor }, io)
      await show({
        read: async () => (node === undefined ? await use.statuses() : [await use.node(node)]),
        screen: (statuses) =>
          tableOf(
            columns,
            statuses.map((view) => rowOf(view, Date.now())),
            io,
            noNode,
          ),
        json: (statuses) => ({ results: statuses.map(wireOf) }),
      })
    }
  },
)

async function letGoOn(node: string, { use, actor }: Pick<Operator, 'use' | 'actor'>, io: Io): Promise<void> {
  const asked = await use.node(node)
  const { id, name, blocked, report } = wireOf(asked)
  // When the reconciler waits for nothing, `confirmReconcile` below refuses, with the reason.
  if (blocked !== null)
    await confirm(
      `${printable(name)} does what it stopped before, which cannot be undone: ${stoppedBefore(blocked, report ?? {})}`,
      io,
    )
  const status = await use.confirmReconcile(id, actor)
  io.out(io.json ? json({ results: [wireOf(status)] }) : `${printable(status.node.name)} continues\n`)
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
