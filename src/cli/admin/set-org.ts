import { orgWire } from '../../http/orgs/org-wire.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { orgChangeOf, orgOptions, orgOptionsUsage } from './org-options.ts'
import { orgInFull } from './orgs.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin set-org ORG [--max-pins N|none] [--max-bytes SIZE|none] [--max-replicas N|none]
                                   [--replicas N|default] [--json] [--config FILE] [--OPTION VALUE …]

Changes what an org may have, and shows it. ORG is a slug or a TypeID. What is not given stays; none lifts a limit. What the org has
beyond a new limit it keeps, but it gets no more; pins that are there keep their number of copies.

${orgOptionsUsage}

Works on the database of the node's own config, also while no node runs.
`

const options = { ...orgOptions, json: { type: 'boolean' } } as const

/** Changes an org. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const slug = required(given, 'ORG')
  const change = orgChangeOf(values)
  if (Object.keys(change).length === 0) throw new WrongUse('nothing to change: give at least one limit')
  await withOperator(config, io, async ({ orgs, asker }) => {
    const org = await orgs.set(asker, slug, change)
    if (values.json) return io.out(json(orgWire(org)))
    io.out(orgInFull(org, await orgs.usage(asker, org.id)))
  })
}
