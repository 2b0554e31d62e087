import { slugForm } from '../../core/org.ts'
import { orgWire } from '../../http/orgs/org-wire.ts'
import { noMore, required } from '../arguments.ts'
import { configArgumentsOf } from '../config-arguments.ts'
import { json } from '../print.ts'
import { WrongUse, type Io } from '../verb.ts'
import { orgChangeOf, orgOptions, orgOptionsUsage } from './org-options.ts'
import { withOperator } from './with-operator.ts'

export const usage = `
Usage: anchorage admin create-org SLUG [--max-pins N] [--max-bytes SIZE] [--max-replicas N] [--replicas N]
                                       [--json] [--config FILE] [--OPTION VALUE …]

Makes an org; prints its id. SLUG is how it is named: letters a to z, digits and hyphens, at most 63. What is not said is orgs.maxPins
and orgs.maxBytes of the config, and without these as much as there is; none lifts a limit.

${orgOptionsUsage}

Works on the database of the node's own config, also while no node runs.
`

const options = { ...orgOptions, json: { type: 'boolean' } } as const

/** Makes an org. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, values, positionals } = configArgumentsOf(argv, options, io)
  const [given, ...more] = positionals
  noMore(more)
  const slug = required(given, 'SLUG')
  if (!slugForm.test(slug))
    throw new WrongUse('a SLUG is at most 63 of a to z, 0 to 9 and -, with no hyphen at either end')
  const change = orgChangeOf(values)
  const org = await withOperator(config, io, ({ orgs, asker }) => orgs.create(asker, slug, change))
  io.out(values.json ? json(orgWire(org)) : `${org.id}\n`)
}
