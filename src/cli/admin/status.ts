import type { ClusterStatus, Need } from '../../core/operator-use-cases.ts'
import { statusWire } from '../../http/admin/admin-wire.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { bytes, json, printable, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { diskOf, liveOf } from './nodes.ts'
import { progressOf } from './show-plan.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin status [--json] [--config FILE] [--OPTION VALUE …]

The whole cluster on one screen: its nodes and who leads, what waits, what is short of copies, and what needs a person, each with the
command that mends or shows it.

--json prints what GET /v1/admin/status answers. Reads counts that are kept, so it takes as long with very many pins as with few.
Works on the database of the node's own config, with HTTP and NATS down.
`

/** Shows the whole cluster. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  noMore(positionals)
  const status = await withOperator(config, io, ({ use }) => use.status())
  io.out(values.json ? json(statusWire(status)) : screenOf(status))
}

function screenOf(status: ClusterStatus): string {
  const { nodes, short, needs } = status
  if (nodes.length === 0) return 'no node has started yet\n'
  return [
    table(
      ['NODE', 'STATE', 'LIVE', 'LEADS', 'PLACEMENTS', 'DISK'],
      nodes.map(({ node, leads, placements, bytes: size }) => [
        node.name,
        node.state,
        liveOf(node),
        leads === null ? '' : `epoch ${leads}`,
        `${placements} (${bytes(size)})`,
        diskOf(node.usedBytes, node.capacityBytes),
      ]),
    ),
    '\n',
    ...linesOf(status).map(([label, value]) => `${label.padEnd(12)}${printable(value)}\n`),
    ...short.map(({ cid, wanted, stands }) => `${' '.repeat(12)}${cid}: ${stands} of ${wanted}\n`),
    '\n',
    needs.length === 0 ? 'nothing needs a person\n' : 'needs a person:\n',
    ...needs.map((need) => `  ${printable(lineOf(need))}\n`),
  ].join('')
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
        ? 'no copy'
        : `copies: ${nodeDown} on silent nodes, ${repairing} being made anew, ${failed} could not be made`,
    ],
    ['to repair', unsettled === 0 ? 'nothing' : `${unsettled} contents`],
  ]
}

function lineOf({ about, reason, command }: Need): string {
  return `${about === null ? '' : `${about}: `}${reason}${command === null ? '' : ` (${command})`}`
}
