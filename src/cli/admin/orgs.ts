import type { Org, Usage } from '../../core/org.ts'
import type { ListedOrg } from '../../core/orgs.ts'
import { listedOrgWire } from '../../http/orgs/org-wire.ts'
import { configuredVerb } from '../config-arguments.ts'
import { behind, display, tableOf, watchTells, type Screen } from '../display.ts'
import { page, prose } from '../help.ts'
import { stateIn } from '../paint.ts'
import { bytes, printable } from '../print.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { withOperator, type Operator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'ORG', rank: 1, least: 12 },
  { head: 'ID', rank: 9 },
  { head: 'PINS', rank: 1, means: 'pins, of so many that it may have' },
  { head: 'BYTES', rank: 1, means: 'of the DAGs of its pins, as far as their size is known' },
  { head: 'EACH', rank: 3, means: 'copies of a pin that does not say; at most so many' },
  { head: 'MADE', rank: 8 },
  {
    head: 'STATE',
    rank: 1,
    least: 12,
    colour: stateIn,
    means: 'served, suspended since when and why, or being removed',
  },
]

const pageSize = 1000

/** Lists orgs. */
export const command = configuredVerb(
  (bare) =>
    bare
      .description(
        prose(`Lists the orgs with what they have and may have, or shows one.
Works on the database of the node's own config, also while no node runs.`),
      )
      .argument('[ORG]', 'show this one; a slug or a TypeID')
      .option('--watch', watchTells)
      .addHelpText(
        'after',
        page({
          columns,
          json: '{"results":[…]}, or the one org.',
          examples: ['admin orgs', 'admin orgs acme --json'],
        }),
      ),
  async ([given], { watch }, io, config) =>
    await withOperator(config, behind(io, watch), async (operator) => {
      if (given === undefined) {
        const json = (found: ListedOrg[]) => ({ results: found.map(listedOrgWire) })
        return await display(
          { read: () => all(operator), screen: (found) => list(found, io), json },
          watch,
          io,
        )
      }
      const { orgs, principal } = operator
      const read = async (): Promise<ListedOrg> => {
        const org = await orgs.get(principal, given)
        return { org, usage: await orgs.usage(principal, org.id), role: null }
      }
      const screen = ({ org, usage: used }: ListedOrg) => ({ text: orgInFull(org, used, io) })
      await display({ read, screen, json: listedOrgWire }, watch, io)
    }),
)

/** An org and what it uses, one line for each fact. */
export function orgInFull(org: Org, used: Usage, { paint }: Pick<Io, 'paint'>): string {
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
    ['state', stateIn(paint, printable(stateOf(org)))],
  ]
  return lines.map(([label, value]) => `${label.padEnd(10)}${value}\n`).join('')
}

async function all({ orgs, principal }: Operator): Promise<ListedOrg[]> {
  const found: ListedOrg[] = []
  for (;;) {
    const next = await orgs.list(principal, { after: found.at(-1)?.org.slug ?? '', limit: pageSize })
    found.push(...next)
    if (next.length < pageSize) return found
  }
}

function list(found: ListedOrg[], io: Io): Screen {
  if (found.length === 0)
    return { text: '', notes: ['there are no orgs; anchorage admin create-org SLUG makes one'] }
  const rows = found.map(({ org, usage: used }) => [
    org.slug,
    org.id,
    ofLimit(String(pinsOf(used)), org.limits.maxPins, String),
    ofLimit(bytes(used.bytes), org.limits.maxBytes, bytes),
    ofLimit(String(org.defaultReplicas ?? 'usual'), org.limits.maxReplicas, String),
    org.createdAt.toISOString(),
    stateOf(org),
  ])
  return tableOf(columns, rows, io)
}

/** `suspended since 2026-01-31T12:00:00.000Z: reported for abuse` */
function stateOf({ suspended, removingSince }: Org): string {
  if (removingSince !== null) return `being removed since ${removingSince.toISOString()}`
  return suspended === null
    ? 'served'
    : `suspended since ${suspended.since.toISOString()}: ${suspended.reason}`
}

/** The number of pins, of every status. */
export function pinsOf({ pins }: Usage): number {
  return Object.values(pins).reduce((sum, n) => sum + n, 0)
}

/** `3 of 10` */
function ofLimit(has: string, limit: number | null, shown: (limit: number) => string): string {
  return limit === null ? has : `${has} of ${shown(limit)}`
}
