import type { Node } from '../../core/node.ts'
import type { DrainView, NodeView } from '../../core/operator-use-cases.ts'
import { nodeInFullWire, nodeWire } from '../../http/admin/admin-wire.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { bytes, duration, json, printable, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin nodes [NODE] [--json] [--config FILE] [--OPTION VALUE …]

Lists the nodes, or shows one in full: its drain, its workers' last reports, and what is not at its best. NODE is a name or a
TypeID.

LIVE        a sign of it is fresh; else since when there was none
PLACEMENTS  contents that lie or are to lie there or are being removed, by the book, and the bytes of those that stand
DISK        what its Kubo uses, of what it may

--json prints {"results":[…]}, or the one node. Works on the database of the node's own config, with HTTP and NATS down.
`

/** Lists nodes. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  await withOperator(config, io, async ({ use }) => {
    if (given === undefined) return show(await use.nodes(), values.json ?? false, io)
    const view = await use.node(given)
    const drain = view.node.state === 'active' ? null : await use.drainOf(view.node.id)
    io.out(values.json ? json(nodeInFullWire(view, drain)) : inFull(view, drain, Date.now()))
  })
}

function show(views: NodeView[], asJson: boolean, io: Io): void {
  if (asJson) return io.out(json({ results: views.map(nodeWire) }))
  if (views.length === 0) return io.err('no node has started yet\n')
  io.out(table(head, views.map(rowOf)))
  for (const { node, report } of views)
    for (const { what, reason } of report?.reasons ?? [])
      io.err(printable(`${node.name}: ${what}: ${reason}`) + '\n')
}

const head = ['NODE', 'ID', 'STATE', 'LIVE', 'ZONE', 'LEADS', 'PLACEMENTS', 'DISK', 'VERSION']

function rowOf({ node, placements, bytes: booked, report, leads }: NodeView): string[] {
  return [
    node.name,
    node.id,
    node.state,
    liveOf(node),
    node.zone ?? '',
    leads === null ? '' : `epoch ${leads}`,
    `${placements} (${bytes(booked)})`,
    diskOf(node.usedBytes, node.capacityBytes),
    report?.version ?? '',
  ]
}

/** `live`, or since when it is not */
export function liveOf({ live, silentMs }: Node): string {
  return live ? 'live' : `silent ${duration(silentMs)}`
}

/** `1.2 GiB of 10 GiB (12%)` */
export function diskOf(usedBytes: number | null, capacityBytes: number | null): string {
  if (usedBytes === null) return 'not known'
  if (capacityBytes === null || capacityBytes === 0) return bytes(usedBytes)
  return `${bytes(usedBytes)} of ${bytes(capacityBytes)} (${Math.round((100 * usedBytes) / capacityBytes)}%)`
}

/** Everything about one node, a line each. */
function inFull(view: NodeView, drain: DrainView | null, nowMs: number): string {
  const { node, report, reportedAt, leads } = view
  const blocked = report?.reconcileBlocked ?? null
  const lines: [string, string][] = [
    ['node', node.name],
    ['id', node.id],
    ['state', node.state],
    ['live', node.live ? 'yes' : `no sign for ${duration(node.silentMs)}`],
    ['zone', node.zone ?? 'none'],
    ['leads', leads === null ? 'no' : `epoch ${leads}`],
    ['placements', `${view.placements} (${bytes(view.bytes)})`],
    ['disk', diskOf(node.usedBytes, node.capacityBytes)],
    ['version', report?.version ?? 'not known'],
    [
      'reported',
      reportedAt === null ? 'never' : `${duration(Math.max(0, nowMs - reportedAt.getTime()))} ago`,
    ],
    ...node.multiaddrs.map((address): [string, string] => ['address', address]),
    ...(report?.reasons ?? []).map(({ what, reason }): [string, string] => ['trouble', `${what}: ${reason}`]),
    ...(blocked === null ? [] : [reconcileLine(node.name, blocked)]),
    ...(drain === null ? [] : [drainLine(drain)]),
    ...(report?.workers ?? []).map((worker): [string, string] => ['worker', workerOf(worker, nowMs)]),
  ]
  return lines.map(([label, value]) => `${label.padEnd(11)}${printable(value)}\n`).join('')
}

function reconcileLine(name: string, blocked: number): [string, string] {
  return [
    'trouble',
    `its reconciler stopped (removals: ${blocked}); see anchorage admin reconcile ${name}; anchorage admin reconcile ${name} --confirm lets it go on`,
  ]
}

function drainLine({ left, moving, waiting, removing, bytesLeft, waits }: DrainView): [string, string] {
  const why = waits === null ? '' : `; waits: ${waits}`
  return [
    'drain',
    `${left} left (${bytes(bytesLeft)}), ${moving} moving, ${waiting} waiting, ${removing} being removed${why}`,
  ]
}

function workerOf(
  { name, endedAtMs, tookMs, failures, report }: NonNullable<NodeView['report']>['workers'][number],
  nowMs: number,
): string {
  const ran =
    endedAtMs === null
      ? 'not run yet'
      : `ran ${duration(Math.max(0, nowMs - endedAtMs))} ago${tookMs === null ? '' : `, took ${duration(tookMs)}`}`
  const failed = failures === 0 ? '' : `, failed ${failures} times in a row`
  const counts = Object.entries(report ?? {}).map(([key, value]) => `${key} ${String(value)}`)
  return `${name}: ${ran}${failed}${counts.length === 0 ? '' : ` (${counts.join(', ')})`}`
}
