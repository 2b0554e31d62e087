import type { ListedOrg } from '../../core/org-use-cases.ts'
import type { Org, Usage } from '../../core/org.ts'
import { listedOrgWire } from '../../http/orgs/org-wire.ts'
import { noMore } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { bytes, json, printable, table } from '../print.ts'
import type { Io } from '../verb.ts'
import { withOperator, type Operator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin orgs [ORG] [--json] [--config FILE] [--OPTION VALUE …]

Lists the orgs with what they have and may have, or shows one. ORG is a slug or a TypeID.

PINS   pins, of so many that it may have
BYTES  of the DAGs of its pins, as far as their size is known
EACH   copies of a pin that does not say; at most so many
STATE  served, suspended since when and why, or being removed

--json prints {"results":[…]}, or the one org. Works on the database of the node's own config, also while no node runs.
`

const page = 1000

/** Lists orgs. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, { json: { type: 'boolean' } }, io)
  const [given, ...more] = positionals
  noMore(more)
  await withOperator(config, io, async (operator) => {
    if (given === undefined) return show(await all(operator), values.json ?? false, io)
    const { orgs, asker } = operator
    const org = await orgs.get(asker, given)
    const used = await orgs.usage(asker, org.id)
    io.out(values.json ? json(listedOrgWire({ org, usage: used, role: null })) : orgInFull(org, used))
  })
}

/** An org and what it has, a line each. */
export function orgInFull(org: Org, used: Usage): string {
  const { limits, defaultReplicas } = org
  const states = Object.entries(used.pins).flatMap(([status, n]) => (n === 0 ? [] : [`${n} ${status}`]))
  const lines: [string, string][] = [
    ['org', org.slug],
    ['id', org.id],
    ['made', org.createdAt.toISOString()],
    [
      'pins',
      `${ofLimit(String(pinsOf(used)), limits.maxPins, String)}${states.length === 0 ? '' : ` (${states.join(', ')})`}`,
    ],
    ['bytes', ofLimit(bytes(used.bytes), limits.maxBytes, bytes)],
    ['replicas', defaultReplicas === null ? 'as many as is usual here' : String(defaultReplicas)],
    ['at most', limits.maxReplicas === null ? 'as many as a pin asks for' : String(limits.maxReplicas)],
    ['state', printable(stateOf(org))],
  ]
  return lines.map(([label, value]) => `${label.padEnd(10)}${value}\n`).join('')
}

async function all({ orgs, asker }: Operator): Promise<ListedOrg[]> {
  const found: ListedOrg[] = []
  for (;;) {
    const next = await orgs.list(asker, { after: found.at(-1)?.org.slug ?? '', limit: page })
    found.push(...next)
    if (next.length < page) return found
  }
}

function show(found: ListedOrg[], asJson: boolean, io: Io): void {
  if (asJson) return io.out(json({ results: found.map(listedOrgWire) }))
  if (found.length === 0) return io.err('there are no orgs; anchorage admin create-org SLUG makes one\n')
  const rows = found.map(({ org, usage: used }) => [
    org.slug,
    org.id,
    ofLimit(String(pinsOf(used)), org.limits.maxPins, String),
    ofLimit(bytes(used.bytes), org.limits.maxBytes, bytes),
    ofLimit(String(org.defaultReplicas ?? 'usual'), org.limits.maxReplicas, String),
    org.createdAt.toISOString(),
    stateOf(org),
  ])
  io.out(table(['ORG', 'ID', 'PINS', 'BYTES', 'EACH', 'MADE', 'STATE'], rows))
}

/** `suspended since 2026-01-31T12:00:00.000Z: reported for abuse` */
function stateOf({ suspended, removingSince }: Org): string {
  if (removingSince !== null) return `being removed since ${removingSince.toISOString()}`
  return suspended === null
    ? 'served'
    : `suspended since ${suspended.since.toISOString()}: ${suspended.reason}`
}

/** Of whatever status. */
export function pinsOf({ pins }: Usage): number {
  return Object.values(pins).reduce((sum, n) => sum + n, 0)
}

/** `3 of 10` */
function ofLimit(has: string, limit: number | null, shown: (limit: number) => string): string {
  return limit === null ? has : `${has} of ${shown(limit)}`
}
