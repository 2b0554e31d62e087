import { slugForm } from '../../core/org.ts'
import { orgWire } from '../../http/orgs/org-wire.ts'
import { configuredVerb } from '../config-arguments.ts'
import { page, prose } from '../help.ts'
import { json } from '../print.ts'
import { WrongUse } from '../verb.ts'
import { orgChangeOf, withOrgOptions } from './org-options.ts'
import { withOperator } from './with-operator.ts'

/** Makes an org. */
export const command = configuredVerb(
  (bare) =>
    withOrgOptions(bare)
      .description(
        prose(`Makes an org; prints its id. What is not said is orgs.maxPins and orgs.maxBytes of the config, and without these as
much as there is. Works on the database of the node's own config, also while no node runs.`),
      )
      .argument('<SLUG>', 'how it is named: letters a to z, digits and hyphens, at most 63', slugOf)
      .addHelpText(
        'after',
        page({ json: 'the org.', examples: ['admin create-org acme --max-pins 100000 --max-bytes 1TiB'] }),
      ),
  async ([slug], values, io, config) => {
    const org = await withOperator(config, io, ({ orgs, principal }) =>
      orgs.create(principal, slug, orgChangeOf(values)),
    )
    io.out(io.json ? json(orgWire(org)) : `${org.id}\n`)
  },
)

function slugOf(text: string): string {
  if (!slugForm.test(text))
    throw new WrongUse('a SLUG is at most 63 of a to z, 0 to 9 and -, with no hyphen at either end')
  return text
}
