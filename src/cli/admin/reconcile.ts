import type { NodeStatus } from '../../core/node-statuses.ts'
import type { UnwantedPin } from '../../core/ports.ts'
import { confirm } from '../confirm.ts'
import { everyPage } from './every-page.ts'
import { noNode, tableOf, watchTells } from '../display.ts'
import { duration, json, printable } from '../print.ts'
import { progress } from '../progress.ts'
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
the content of the cluster. While the database is restored, or went back in time, no node removes anything until you decide:
--list shows the pins of NODE that no org wants, --adopt makes them pins of an org, and --confirm lets the node remove what is
still unwanted, once all nodes are confirmed and have compared their Kubos with the database. A node lists at most 100,000 pins at
a time; after --adopt, its next run lists the rest.`,
    json: '{"results":[{"id","name","blocked","endedAt","report"}]}; with --list {"results":[{"cid","seenAt"}]}; with --adopt {"adopted"}.',
    examples: [
      'admin reconcile',
      'admin reconcile anchor-2 --list',
      'admin reconcile anchor-2 --adopt rescue',
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
      .option(
        '--list',
        'show the CIDs of the unwanted pins of NODE, as its reconciler found them in its last run',
      )
      .option(
        '--adopt <ORG>',
        'make the unwanted pins of NODE pins of this org (slug or id). Can be repeated',
      )
      .option('--watch', watchTells),
  ([node], { confirm: isConfirmed, list, adopt, watch }, io) => {
    const asked = Object.entries({
      '--confirm': isConfirmed,
      '--list': list,
      '--adopt': adopt,
      '--watch': watch,
    })
    const [option, more] = asked.filter(([, given]) => given !== undefined).map(([name]) => name)
    if (more !== undefined) throw new WrongUse(`expected either ${option} or ${more}`)
    if (option !== undefined && option !== '--watch' && node === undefined)
      throw new WrongUse(
        `NODE is missing: ${option} is for one node, and anchorage admin reconcile lists the nodes`,
      )
    return async (operator) => {
      const { use, show } = operator
      if (node !== undefined && isConfirmed) return await letGoOn(node, operator, io)
      if (node !== undefined && list) return await listUnwanted(node, operator, io)
      if (node !== undefined && adopt !== undefined) return await adoptAll(node, adopt, operator, io)
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

async function listUnwanted(given: string, { use, store }: Operator, io: Io): Promise<void> {
  const { node } = await use.node(given)
  const found = await everyPage<UnwantedPin>((last, limit) =>
    store.operator.unwanted(node.id, last?.cid ?? '', limit),
  )
  const results = found.map(({ cid, seenAt }) => ({ cid, seenAt: seenAt.toISOString() }))
  io.out(io.json ? json({ results }) : results.map(({ cid }) => `${cid}\n`).join(''))
}

async function adoptAll(given: string, org: string, { use, adopt }: Operator, io: Io): Promise<void> {
  const { node } = await use.node(given)
  const shown = progress(io, io.json)
  let adopted = 0
  for await (const n of adopt(node.id, org)) {
    adopted = n
    shown.tell(`${adopted} pins are adopted`)
  }
  shown.done()
  if (io.json) return io.out(json({ adopted }))
  io.out(`${adopted} unwanted pins of ${printable(node.name)} are pins of ${printable(org)} now\n`)
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
