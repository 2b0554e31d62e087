import type { DrainView } from '../../core/drain.ts'
import type { NodeView } from '../../core/node-statuses.ts'
import type { Inability, Node } from '../../core/node.ts'
import { nodeInFullWire, nodeWire } from '../../http/admin/admin-wire.ts'
import { noNode, tableOf, watchTells, type Screen } from '../display.ts'
import { stateIn } from '../paint.ts'
import { bytes, duration, printable } from '../print.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { operatorVerb } from './operator-verb.ts'

const columns: readonly Column[] = [
  { head: 'NODE', rank: 1, least: 12 },
  { head: 'ID', rank: 9 },
  { head: 'STATE', rank: 1, colour: stateIn },
  {
    head: 'LIVE',
    rank: 1,
    colour: stateIn,
    means: 'live, or for how long the node has been silent or unable to work',
  },
  { head: 'ZONE', rank: 7 },
  { head: 'LEADS', rank: 4 },
  {
    head: 'PLACEMENTS',
    rank: 3,
    means:
      'contents that the database has for the node, also queued ones and ones that are being removed; and the bytes of the pinned ones',
  },
  { head: 'DISK', rank: 2, means: 'bytes that its Kubo uses, of its maximum' },
  { head: 'VERSION', rank: 8 },
]

/** Lists nodes, or shows one. */
export const command = operatorVerb(
  {
    about: `Lists the nodes. With NODE, shows everything about one node: its drain, the last reports of its workers, and its
problems.`,
    columns,
    json: '{"results":[…]}; with NODE, the node.',
    examples: ['admin nodes', 'admin nodes anchor-2 --watch', "admin nodes --json | jq '.results[].name'"],
  },
  (bare) => bare.argument('[NODE]', 'show only this node (name or id)').option('--watch', watchTells),
  ([given], _options, io) =>
    ({ use, show }) => {
      if (given === undefined) {
        const json = (views: NodeView[]) => ({ results: views.map(nodeWire) })
        return show({ read: () => use.nodes(), screen: (views) => list(views, io), json })
      }
      const read = async () => {
        const view = await use.node(given)
        return { view, drain: view.node.state === 'active' ? null : await use.drainOf(view.node.id) }
      }
      const screen = ({ view, drain }: Read) => ({ text: inFull(view, drain, Date.now(), io) })
      return show({ read, screen, json: ({ view, drain }) => nodeInFullWire(view, drain) })
    },
)

interface Read {
  view: NodeView
  drain: DrainView | null
}

function list(views: NodeView[], io: Io): Screen {
  const { text, notes = [] } = tableOf(columns, views.map(rowOf), io, noNode)
  const reasons = views.flatMap(({ node, report }) =>
    (report?.reasons ?? []).map(({ what, reason }) => printable(`${node.name}: ${what}: ${reason}`)),
  )
  return { text, notes: [...reasons, ...notes] }
}

function rowOf({ node, placements, bytes: placedBytes, report, leads }: NodeView): string[] {
  return [
    node.name,
    node.id,
    node.state,
    liveOf(node),
    node.zone ?? '',
    leads === null ? '' : `epoch ${leads}`,
    `${placements} (${bytes(placedBytes)})`,
    diskOf(node.usedBytes, node.capacityBytes),
    report?.version ?? '',
  ]
}

/** `live`, or how long it has been unable to work, or silent. */
export function liveOf({ live, silentMs, unable }: Node): string {
  if (unable !== null && (live || unable.what === 'postgres')) return `unable ${duration(unable.forMs)}`
  return live ? 'live' : `silent ${duration(silentMs)}`
}

/** `1.2 GiB of 10 GiB (12%)` */
export function diskOf(usedBytes: number | null, capacityBytes: number | null): string {
  if (usedBytes === null) return 'unknown'
  if (capacityBytes === null || capacityBytes === 0) return bytes(usedBytes)
  return `${bytes(usedBytes)} of ${bytes(capacityBytes)} (${Math.round((100 * usedBytes) / capacityBytes)}%)`
}

/** Everything about one node, one line for each fact. */
function inFull(view: NodeView, drain: DrainView | null, nowMs: number, { paint }: Io): string {
  const { node, report, reportedAt, leads } = view
  const blocked = report?.reconcileBlocked ?? null
  const lines: [string, string][] = [
    ['node', node.name],
    ['id', node.id],
    ['state', node.state],
    ['live', node.live ? 'yes' : `no, silent for ${duration(node.silentMs)}`],
    ...(node.unable === null ? [] : [unableLine(node.unable)]),
    ['zone', node.zone ?? 'none'],
    ['leads', leads === null ? 'no' : `epoch ${leads}`],
    ['placements', `${view.placements} (${bytes(view.bytes)})`],
    ['disk', diskOf(node.usedBytes, node.capacityBytes)],
    ['version', report?.version ?? 'unknown'],
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
  return lines
    .map(([label, value]) => {
      const shown = printable(value)
      return `${label.padEnd(11)}${label === 'trouble' ? paint.yellow(shown) : label === 'state' ? stateIn(paint, shown) : shown}\n`
    })
    .join('')
}

function unableLine({ what, forMs, reason }: Inability): [string, string] {
  return ['trouble', `unable to work for ${duration(forMs)}: ${what}: ${reason}`]
}

function reconcileLine(name: string, blocked: number): [string, string] {
  return [
    'trouble',
    `its reconciler stopped (removals: ${blocked}); anchorage admin reconcile ${name} shows why, and with --confirm lets it continue`,
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
