import type { Org, Usage } from '../../core/org.ts'
import type { ListedOrg } from '../../core/orgs.ts'
import { listedOrgWire, orgWire } from '../../http/orgs/org-wire.ts'
import { tableOf, watchTells, type Screen } from '../display.ts'
import { stateIn } from '../paint.ts'
import { bytes, json, printable } from '../print.ts'
import type { Column } from '../table.ts'
import type { Io } from '../verb.ts'
import { everyPage } from './every-page.ts'
import { operatorVerb } from './operator-verb.ts'
import type { Operator } from './with-operator.ts'

const columns: readonly Column[] = [
  { head: 'ORG', rank: 1, least: 12 },
  { head: 'ID', rank: 9 },
  { head: 'PINS', rank: 1, means: 'number of pins, of the maximum' },
  { head: 'BYTES', rank: 1, means: 'size of the DAGs of its pins, as far as it is known, of the maximum' },
  { head: 'REPLICAS', rank: 3, means: 'copies of a pin that asks for no number, of the maximum per pin' },
  { head: 'CREATED', rank: 8 },
  {
    head: 'STATE',
    rank: 1,
    least: 12,
    colour: stateIn,
    means: 'served, suspended (since when, and why), or being removed',
  },
]

/** Lists orgs. */
export const command = operatorVerb(
  {
    about: 'Lists the orgs with their usage and limits. With ORG, shows one org.',
    columns,
    json: '{"results":[…]}; with ORG, the org.',
    examples: ['admin orgs', 'admin orgs acme --json'],
  },
  (bare) => bare.argument('[ORG]', 'show only this org (slug or id)').option('--watch', watchTells),
  ([given], _options, io) =>
    ({ orgs, principal, show }) => {
      if (given === undefined) {
        const wire = (found: ListedOrg[]) => ({ results: found.map(listedOrgWire) })
        return show({
          read: () =>
            everyPage<ListedOrg>((last, limit) =>
              orgs.list(principal, { after: last?.org.slug ?? '', limit }),
            ),
          screen: (found) => list(found, io),
          json: wire,
        })
      }
      const read = async (): Promise<ListedOrg> => {
        const org = await orgs.get(principal, given)
        return { org, usage: await orgs.usage(principal, org.id), role: null }
      }
      const screen = ({ org, usage: used }: ListedOrg) => ({ text: orgInFull(org, used, io) })
      return show({ read, screen, json: listedOrgWire })
    },
)

/** An org and what it uses, one line for each fact. */
function orgInFull(org: Org, used: Usage, { paint }: Pick<Io, 'paint'>): string {
  const { limits, defaultReplicas } = org
  const states = Object.entries(used.pins).flatMap(([status, n]) => (n === 0 ? [] : [`${n} ${status}`]))
  const lines: [string, string][] = [
    ['org', org.slug],
    ['id', org.id],
    ['created', org.createdAt.toISOString()],
    [
      'pins',
      `${ofLimit(String(pinsOf(used)), limits.maxPins, String)}${states.length === 0 ? '' : ` (${states.join(', ')})`}`,
    ],
    ['bytes', ofLimit(bytes(used.bytes), limits.maxBytes, bytes)],
    ['replicas', defaultReplicas === null ? "the cluster's default" : String(defaultReplicas)],
    ['at most', limits.maxReplicas === null ? 'no limit' : String(limits.maxReplicas)],
    ['state', stateIn(paint, printable(stateOf(org)))],
  ]
  return lines.map(([label, value]) => `${label.padEnd(10)}${value}\n`).join('')
}

/** Shows an org after a change. */
export async function tellOrg(org: Org, { orgs, principal }: Operator, io: Io): Promise<void> {
  io.out(io.json ? json(orgWire(org)) : orgInFull(org, await orgs.usage(principal, org.id), io))
}

function list(found: ListedOrg[], io: Io): Screen {
  const rows = found.map(({ org, usage: used }) => [
    org.slug,
    org.id,
    ofLimit(String(pinsOf(used)), org.limits.maxPins, String),
    ofLimit(bytes(used.bytes), org.limits.maxBytes, bytes),
    ofLimit(String(org.defaultReplicas ?? 'default'), org.limits.maxReplicas, String),
    org.createdAt.toISOString(),
    stateOf(org),
  ])
  return tableOf(columns, rows, io, 'there are no orgs; anchorage admin create-org SLUG creates one')
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
