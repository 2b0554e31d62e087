import type { ClusterStatus, Need } from '../../core/cluster-status.ts'
import { statusWire } from '../../http/admin/admin-wire.ts'
import { noNode, tableOf, watchTells, type Screen } from '../display.ts'
import { stateIn } from '../paint.ts'
import { bytes, printable } from '../print.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { diskOf, liveOf } from './nodes.ts'
import { operatorVerb } from './operator-verb.ts'
import { progressOf } from './show-plan.ts'

const columns: readonly Column[] = [
  { head: 'NODE', rank: 1, least: 12 },
  { head: 'STATE', rank: 1, colour: stateIn },
  { head: 'LIVE', rank: 1, colour: stateIn },
  { head: 'LEADS', rank: 4 },
  { head: 'PLACEMENTS', rank: 3 },
  { head: 'DISK', rank: 2 },
]

/** Shows the whole cluster. */
export const command = operatorVerb(
  {
    about: `Shows the whole cluster on one screen: its nodes, which node leads, what waits, content with too few copies, and every
problem that needs an operator, with the command that fixes or shows it. Reads stored counts, so it is as fast with many pins as
with few.`,
    json: 'the answer of GET /v1/admin/status.',
    examples: ['admin status', 'admin status --watch'],
  },
  (bare) => bare.option('--watch', watchTells),
  (_args, _options, io) =>
    ({ use, show }) =>
      show({ read: () => use.status(), screen: (status) => screenOf(status, io), json: statusWire }),
)

function screenOf(status: ClusterStatus, io: Io): Screen {
  const { nodes, short, needs } = status
  if (nodes.length === 0) return { text: `${noNode}\n` }
  const { paint } = io
  const rows = nodes.map(({ node, leads, placements, bytes: size }) => [
    node.name,
    node.state,
    liveOf(node),
    leads === null ? '' : `epoch ${leads}`,
    `${placements} (${bytes(size)})`,
    diskOf(node.usedBytes, node.capacityBytes),
  ])
  const { text, notes = [] } = tableOf(columns, rows, io)
  const lines = [
    text,
    '\n',
    ...linesOf(status).map(([label, value]) => `${label.padEnd(12)}${printable(value)}\n`),
    ...short.map(({ cid, wanted, pinned }) => `${' '.repeat(12)}${cid}: ${pinned} of ${wanted}\n`),
    '\n',
    needs.length === 0
      ? `${paint.green('nothing needs an operator')}\n`
      : `${paint.yellow('needs an operator:')}\n`,
    ...needs.map((need) => `  ${printable(lineOf(need))}\n`),
  ]
  return { text: lines.join(''), notes }
}

function linesOf({
  pins,
  work,
  maintenance,
  drains,
  plans,
  copies,
  unsettled,
}: ClusterStatus): [string, string][] {
  const { nodeDown, repairing, failed } = copies
  return [
    ['pins', `${pins.queued} queued, ${pins.pinning} pinning, ${pins.pinned} pinned, ${pins.failed} failed`],
    ['placements', `${work.queued} queued, ${work.pinning} pinning, ${work.unpinning} being removed`],
    [
      'maintenance',
      maintenance === null
        ? 'off'
        : `on: ${maintenance.reason}${maintenance.until === null ? '' : `, until ${maintenance.until.toISOString()}`}`,
    ],
    ...drains.map(({ node, left, bytesLeft }): [string, string] => [
      'drain',
      `${node.name}: ${left} left (${bytes(bytesLeft)})`,
    ]),
    ...plans.map((view): [string, string] => ['plan', `${view.plan.id}: ${progressOf(view)}`]),
    [
      'missing',
      nodeDown + repairing + failed === 0
        ? 'nothing'
        : `copies: ${nodeDown} on silent nodes, ${repairing} being made again, ${failed} failed`,
    ],
    ['to repair', unsettled === 0 ? 'nothing' : `${unsettled} contents`],
  ]
}

function lineOf({ about, reason, command }: Need): string {
  return `${about === null ? '' : `${about}: `}${reason}${command === null ? '' : ` (${command})`}`
}
